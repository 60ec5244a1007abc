package controllers

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

const (
	// seedVariable repeats a walk.
	seedVariable = "WALK_SEED"
	// changesOfAWalk are enough to meet each pair of fields.
	changesOfAWalk = 500
)

// A stream that has been through many changes, some of which cannot be carried out and some of which come before the last one was,
// is as one that is made of its last spec. That one can be carried out: with another, what ran before goes on.
func TestManyChangesEndAsTheLastOneAlone(t *testing.T) {
	first := uint64(time.Now().UnixNano())
	if s := os.Getenv(seedVariable); s != "" {
		var err error
		if first, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(walks) {
		seed := first + i
		t.Run(fmt.Sprintf("%s=%d", seedVariable, seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				random := rand.New(rand.NewPCG(seed, 0))
				last := randomSpec(random, true)
				w := newTrial(g, newServer(g))
				create(w)
				for range changesOfAWalk {
					to := randomSpec(random, false)
					change(func(s *v1alpha1.EventStreamSpec) { *s = *to.DeepCopy() })(w)
					w.cache.Lag, w.cache.Blind = random.IntN(20), random.IntN(2) == 0
					switch random.IntN(4) {
					case 0: // the next change comes before the operator has seen this one
					case 1:
						w.cache.Sync()
						w.hear()
						for n := random.IntN(4); n > 0 && len(w.queue) > 0; n-- {
							next := w.queue[0]
							w.queue = w.queue[1:]
							w.reconcile(next)
						}
					case 2:
						w.restart()
					default:
						w.drain()
					}
				}
				change(func(s *v1alpha1.EventStreamSpec) { *s = *last.DeepCopy() })(w)
				w.drain()

				fresh := newTrial(g, newServer(g))
				create(fresh)
				change(func(s *v1alpha1.EventStreamSpec) { *s = *last.DeepCopy() })(fresh)
				fresh.drain()
				g.Expect(differences(withoutGenerations(w.final()), withoutGenerations(fresh.final()))).To(BeEmpty())
			})
		})
	}
}

// withoutGenerations leaves out how many changes there were.
func withoutGenerations(final map[string]string) map[string]string {
	for name, document := range final {
		lines := strings.Split(document, "\n")
		kept := lines[:0]
		for _, line := range lines {
			if l := strings.ToLower(line); !strings.Contains(l, `"generation":`) && !strings.Contains(l, `"observedgeneration":`) {
				kept = append(kept, line)
			}
		}
		final[name] = strings.Join(kept, "\n")
	}
	return final
}

// randomSpec is one of any fields. A valid one can be carried out.
func randomSpec(r *rand.Rand, valid bool) *v1alpha1.EventStreamSpec {
	s := &v1alpha1.EventStreamSpec{}
	plain(s)
	one := func(words ...string) string { return words[r.IntN(len(words))] }
	sometimes := func(f func()) {
		if r.IntN(3) == 0 {
			f()
		}
	}
	duration := func(words ...string) v1alpha1.Duration { return v1alpha1.Duration(one(words...)) }
	for i := range r.IntN(3) {
		s.Topics = append(s.Topics, v1alpha1.Topic{Name: fmt.Sprintf("%s.%d", one("prices", "runs"), i), Retention: v1alpha1.TopicRetention{Events: new(int32(r.IntN(3) + 1)), Age: duration("", "1m")}})
	}
	sometimes(func() { s.Retention.Events, s.Retention.Age = new(int32(r.IntN(50)+1)), duration("", "2m") })
	sometimes(func() { s.Retention.Bytes = new(resource.MustParse(one("8Mi", "16Mi"))) })
	sometimes(func() { s.Heartbeat.Interval = duration("7s", "20s") })
	sometimes(func() { s.Reconnect.Delay, s.Reconnect.MaxConnectionAge = duration("1s", "3s"), duration("", "1h") })
	sometimes(func() { s.Drain.Window = duration("1s", "2s") })
	sometimes(func() { s.Limits.ConnectionsPerHub = new(int32(r.IntN(100) + 1)) })
	sometimes(func() {
		s.Limits.EventsPerSecondPerPublisher, s.Limits.MaxEventSize = new(int32(r.IntN(9)+1)), new(resource.MustParse(one("1Ki", "64Ki")))
	})
	sometimes(func() {
		s.CORS = v1alpha1.CORS{AllowedOrigins: []string{one("https://a.example", "https://b.example")}, AllowCredentials: new(r.IntN(2) == 0)}
	})
	sometimes(func() { s.TLS = &v1alpha1.TLS{SecretName: one("tls-a", "tls-b")} })
	sometimes(func() { s.Engine = &v1alpha1.Engine{Type: v1alpha1.EngineMemory} })
	sometimes(func() { s.Auth.Subscribers = randomReaders(r, one) })
	sometimes(func() { s.Auth.Publishers = randomPublishers(one) })
	sometimes(func() { s.Template = randomTemplate(r, one) })
	if valid {
		return s
	}
	sometimes(func() { s.Suspend = r.IntN(4) == 0 })
	switch r.IntN(12) {
	case 0:
		s.Retention.Bytes = new(resource.MustParse("8Gi"))
	case 1:
		s.Limits.MaxEventSize = new(resource.MustParse("1Gi"))
	case 2:
		s.Heartbeat.Interval = "soon"
	case 3:
		s.Template = &v1alpha1.HubTemplate{NodeSelector: map[string]string{"bad key!": ""}}
	}
	return s
}

func randomReaders(r *rand.Rand, one func(...string) string) *v1alpha1.SubscriberAuth {
	i := v1alpha1.TokenIssuer{Issuer: "https://id.example", Audiences: []string{"shop"}, Topics: []string{">"}}
	switch r.IntN(4) {
	case 0:
		i.JWKSURI = "https://id.example/keys"
	case 1:
		i.JWKS = &v1alpha1.KeySet{ConfigMapRef: &v1alpha1.EntryReference{Name: one("id-a", "id-b")}}
	case 2:
		i.JWKS = &v1alpha1.KeySet{SecretRef: &v1alpha1.EntryReference{Name: one("id-a", "id-b"), Key: one("", "keys")}}
	case 3:
		i.HMAC = &v1alpha1.HMAC{SecretRef: v1alpha1.EntryReference{Name: one("hmac-a", "hmac-b")}}
	}
	j := &v1alpha1.JWTAuth{Issuers: []v1alpha1.TokenIssuer{i}, AllowQueryToken: new(r.IntN(2) == 0), Cookie: one("", "__Secure-runnel")}
	if r.IntN(2) == 0 {
		j.Tickets = &v1alpha1.Tickets{SecretRef: v1alpha1.EntryReference{Name: one("tickets-a", "tickets-b")}}
	}
	return &v1alpha1.SubscriberAuth{JWT: j}
}

func randomPublishers(one func(...string) string) *v1alpha1.PublisherAuth {
	grants := []v1alpha1.ServiceAccountGrant{{Namespace: one("", "team-b"), Name: one("*", "checkout"), Topics: []string{one("orders", ">")}}}
	keys := []v1alpha1.PublisherKey{{Name: "ci", SecretRef: v1alpha1.EntryReference{Name: one("ci-a", "ci-b"), Key: one("", "word")}}}
	switch one("anonymous", "grants", "keys", "both") {
	case "anonymous":
		return &v1alpha1.PublisherAuth{Anonymous: &v1alpha1.Anonymous{}}
	case "grants":
		return &v1alpha1.PublisherAuth{ServiceAccounts: grants}
	case "keys":
		return &v1alpha1.PublisherAuth{Keys: keys}
	default:
		return &v1alpha1.PublisherAuth{ServiceAccounts: grants, Keys: keys}
	}
}

func randomTemplate(r *rand.Rand, one func(...string) string) *v1alpha1.HubTemplate {
	t := &v1alpha1.HubTemplate{}
	if r.IntN(2) == 0 {
		t.Annotations = map[string]string{one("a.example/a", "a.example/b"): one("1", "2")}
	}
	if r.IntN(2) == 0 {
		t.NodeSelector = map[string]string{one("disk", "zone"): one("x", "y")}
	}
	if r.IntN(2) == 0 {
		t.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse(one("1Gi", "2Gi"))}, Requests: corev1.ResourceList{"cpu": resource.MustParse(one("50m", "200m"))}}
	}
	if r.IntN(2) == 0 {
		t.ImagePullSecrets = []corev1.LocalObjectReference{{Name: one("pull-a", "pull-b")}}
	}
	if r.IntN(2) == 0 {
		t.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: int32(r.IntN(2) + 1), TopologyKey: one("zone", "host"), WhenUnsatisfiable: corev1.ScheduleAnyway}}
	}
	if r.IntN(2) == 0 {
		t.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
			Weight: int32(r.IntN(9) + 1), Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: one("a", "b"), Operator: corev1.NodeSelectorOpExists}}},
		}}}}
	}
	return t
}
