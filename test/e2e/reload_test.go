package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/test/sse"
	"github.com/runnel-dev/runnel/test/suite"
)

const (
	// reloadPages read reloadTopics while reloadEvents a second are published.
	reloadPages, reloadTopics, reloadEvents = 1000, 50, 100
)

// readersKey signs the readers' tokens.
var readersKey = []byte("32 bytes that nobody else knows.")

// readersOf lets in who has a token of ours, to topics.
func readersOf(topics ...string) *v1alpha1.JWTAuth {
	return &v1alpha1.JWTAuth{Issuers: []v1alpha1.TokenIssuer{{
		Issuer: "internal", Audiences: []string{"shop"}, Topics: topics,
		HMAC: &v1alpha1.HMAC{SecretRef: v1alpha1.EntryReference{Name: "internal"}},
	}}}
}

// reloads is each field of a spec that a running hub takes up, changed once.
var reloads = []struct {
	what   string
	change func(*v1alpha1.EventStreamSpec)
}{
	{"topics", func(s *v1alpha1.EventStreamSpec) { s.Topics = append(s.Topics, v1alpha1.Topic{Name: "more.>"}) }},
	{"topics[].retention.events", func(s *v1alpha1.EventStreamSpec) { s.Topics[0].Retention.Events = new(int32(500)) }},
	{"topics[].retention.age", func(s *v1alpha1.EventStreamSpec) { s.Topics[0].Retention.Age = "1h" }},
	{"retention.events", func(s *v1alpha1.EventStreamSpec) { s.Retention.Events = new(int32(200)) }},
	{"retention.age", func(s *v1alpha1.EventStreamSpec) { s.Retention.Age = "20m" }},
	{"retention.bytes", func(s *v1alpha1.EventStreamSpec) { s.Retention.Bytes = new(resource.MustParse("32Mi")) }},
	{"heartbeat.interval", func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "7s" }},
	{"heartbeat.minimum", func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Minimum = "2s" }},
	{"reconnect.delay", func(s *v1alpha1.EventStreamSpec) { s.Reconnect.Delay = "1s" }},
	{"reconnect.maxConnectionAge", func(s *v1alpha1.EventStreamSpec) { s.Reconnect.MaxConnectionAge = "1h" }},
	{"drain.window", func(s *v1alpha1.EventStreamSpec) { s.Drain.Window = "2s" }},
	{"limits.connectionsPerHub", func(s *v1alpha1.EventStreamSpec) { s.Limits.ConnectionsPerHub = new(int32(5000)) }},
	{"limits.connectionsPerIdentity", func(s *v1alpha1.EventStreamSpec) { s.Limits.ConnectionsPerIdentity = new(int32(3)) }},
	{"limits.maxEventSize", func(s *v1alpha1.EventStreamSpec) { s.Limits.MaxEventSize = new(resource.MustParse("64Ki")) }},
	{"limits.eventsPerSecondPerPublisher", func(s *v1alpha1.EventStreamSpec) {
		s.Limits.EventsPerSecondPerPublisher = new(int32(10 * reloadEvents))
	}},
	{"cors.allowedOrigins", func(s *v1alpha1.EventStreamSpec) { s.CORS.AllowedOrigins = []string{"https://shop.example"} }},
	{"cors.allowCredentials", func(s *v1alpha1.EventStreamSpec) { s.CORS.AllowCredentials = new(true) }},
	{"auth.subscribers.jwt.cookie", func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers.JWT.Cookie = "__Secure-runnel" }},
	{"auth.subscribers.jwt.allowQueryToken", func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers.JWT.AllowQueryToken = new(true) }},
	{"auth.subscribers.jwt.tickets", func(s *v1alpha1.EventStreamSpec) {
		s.Auth.Subscribers.JWT.Tickets = &v1alpha1.Tickets{SecretRef: v1alpha1.EntryReference{Name: "internal", Key: "tickets"}}
	}},
	{"auth.subscribers.jwt.issuers", func(s *v1alpha1.EventStreamSpec) {
		another := *s.Auth.Subscribers.JWT.Issuers[0].DeepCopy()
		another.Issuer = "another"
		s.Auth.Subscribers.JWT.Issuers = append(s.Auth.Subscribers.JWT.Issuers, another)
	}},
	{"auth.subscribers.jwt.issuers[].audiences", func(s *v1alpha1.EventStreamSpec) {
		s.Auth.Subscribers.JWT.Issuers[0].Audiences = []string{"shop", "store"}
	}},
	{"auth.publishers.serviceAccounts", func(s *v1alpha1.EventStreamSpec) {
		s.Auth.Publishers = &v1alpha1.PublisherAuth{ServiceAccounts: []v1alpha1.ServiceAccountGrant{{Name: publisher, Topics: []string{"t.*"}}}}
	}},
	{"auth.publishers.keys", func(s *v1alpha1.EventStreamSpec) {
		s.Auth.Publishers.Keys = []v1alpha1.PublisherKey{key("ci", "internal", "ci", "t.*")}
	}},
	{grantLost, func(s *v1alpha1.EventStreamSpec) { s.Auth.Subscribers.JWT.Issuers[0].Topics = []string{"t.*"} }},
}

// grantLost is the change that takes a grant from one reader.
const grantLost = "auth.subscribers.jwt.issuers[].topics"

var _ = Describe("A change of what a running hub takes up", func() {
	It("loses no connection of 1,000 readers and no event, whichever field it is", func(ctx SpecContext) {
		o := shop(newNamespace(ctx))
		o.Spec.Topics = []v1alpha1.Topic{{Name: "t.*"}, {Name: "extra"}}
		o.Spec.Auth.Subscribers = &v1alpha1.SubscriberAuth{JWT: readersOf("t.*", "extra")}
		Expect(p.Client.Create(ctx, o)).To(Succeed())
		s := &stream{key: client.ObjectKeyFromObject(o)}
		s.condition(ctx, v1alpha1.ConditionConfigLoaded, "False", "SecretMissing")
		s.holds(ctx, "internal", corev1.SecretTypeOpaque, map[string][]byte{
			"key": readersKey, "tickets": []byte("32 more bytes that nobody knows."), "ci": []byte("sixteen-bytes-ci"),
		})
		s.connect(ctx)
		hub := run(s.hub(ctx))

		var topics []string
		for i := range reloadTopics {
			topics = append(topics, fmt.Sprintf("t.%d", i))
		}
		bearer := func(subject string) sse.Header {
			return bearing(signed(jwt.SigningMethodHS256, readersKey, "", claimsOf("internal", subject, nil)))
		}
		c := newCrowd(reloadPages, func(p *page) {
			p.topic = topics[p.number%reloadTopics]
			p.url = s.subscribe + "/v1/topics/" + p.topic + "/events"
			p.headers = []sse.Header{bearer(fmt.Sprintf("page-%d", p.number))}
		})
		c.open()
		loser, err := sse.OpenBy(context.WithoutCancel(ctx), s.by(), s.subscribe+"/v1/topics/extra/events", bearer("loser"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(loser.Close)
		first, err := loser.Next(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(first.Type).To(Equal("runnel-open"))
		f := &flow{url: s.publish, token: s.token, most: reloadEvents, topics: topics, faults: &c.faults}
		f.begin()

		began, hashes := time.Now(), map[string]bool{s.now(ctx).Status.ConfigHash: true}
		for _, r := range reloads {
			By(r.what)
			c.faults.during("%s", r.what)
			s.change(ctx, r.change)
			hash := s.ready(ctx).Status.ConfigHash
			Expect(hashes).NotTo(HaveKey(hash), r.what)
			hashes[hash] = true
			Expect(s.condition(ctx, v1alpha1.ConditionConfigLoaded, "True", "ConfigLoaded")).To(ContainSubstring(hash), r.what)
			Expect(s.running(ctx)).To(Equal(hash), r.what)
			Expect(run(s.hub(ctx))).To(Equal(hub), "%s: it is the same process", r.what)
			f.goesOn(reloadTopics)
			if r.what != grantLost {
				Expect(nothing(loser)).To(Succeed(), r.what)
			}
		}
		soon, cancel := context.WithTimeout(ctx, suite.Patience)
		defer cancel()
		closed, err := loser.Next(soon)
		Expect(err).NotTo(HaveOccurred())
		Expect(closed.Type).To(Equal("runnel-close"))
		Expect(closed.Data).To(ContainSubstring(`"reason":"gone"`))
		Expect(loser.Next(soon)).Error().To(MatchError(io.EOF))

		f.end()
		c.receives(f)
		Expect(c.connects.since(began)).To(BeEmpty(), "nobody has come back")
		Expect(c.connected.Load()).To(BeEquivalentTo(reloadPages))
		c.close()
		AddReportEntry("figures", fmt.Sprintf("%d changes in %s; %d events, %d sent again; %d deliveries",
			len(reloads), time.Since(began).Round(time.Second), f.sent(), f.again.Load(), c.received.Load()), ReportEntryVisibilityAlways)
		Expect(c.faults.all()).To(BeEmpty())
		Expect(f.holes()).To(BeEmpty())
	}, NodeTimeout(suite.Timeout))

	It("is told with the hub's name and its reason when the hub refuses it, and the hub goes on with what it has", func(ctx SpecContext) {
		s := serving(ctx)
		r, hub, before := s.read(ctx, ""), s.hub(ctx), s.running(ctx)
		// While the operator hangs, a document that is newer than the hub comes to it by another way, and there is another spec: the
		// operator must ask the hub, and finds it refusing before it can mend that.
		operator, err := operatorPod(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Node.Pause(operator.Namespace, operator.Name)).To(Succeed())
		resume := func() { Expect(p.Node.Resume(operator.Namespace, operator.Name)).To(Succeed()) }
		DeferCleanup(resume)
		patch(ctx, s.children()["ConfigMap"], `{"data":{"`+render.ConfigKey+`":"{\"version\":1000}"}}`)
		s.synced(ctx)
		Eventually(s.hubStatus).WithContext(ctx).Should(HaveField("ConfigError", ContainSubstring("version: 1000")))
		reason := s.hubStatus(ctx).ConfigError
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Heartbeat.Interval = "7s" })
		Expect(s.running(ctx)).To(Equal(before))
		s.send(ctx, "still here")
		Expect(r.receives(ctx)).To(Equal("still here"))
		resume()

		Eventually(func(g Gomega) {
			notes, err := s.notes(ctx, "ConfigRefused")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(notes).To(ConsistOf(And(ContainSubstring(reason), ContainSubstring(hub.Name))))
		}).Should(Succeed())
		hash := s.ready(ctx).Status.ConfigHash
		Expect(s.running(ctx)).To(Equal(hash), "it is repaired")
		Expect(hash).NotTo(Equal(before))
		Expect(run(s.hub(ctx))).To(Equal(run(hub)))
		s.send(ctx, "well again")
		Expect(r.receives(ctx)).To(Equal("well again"))
	})
})

// nothing is an error if a stream has an event, or has ended.
func nothing(s *sse.Stream) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	e, err := s.Next(ctx)
	switch {
	case err == nil:
		return fmt.Errorf("there came %v", e)
	case ctx.Err() == nil:
		return err
	}
	return nil
}

// hubStatus is what a hub says of its configuration, and of how it came to lead.
type hubStatus struct {
	ConfigHash, ConfigError, WatchError string
	Handover                            struct{ Result string }
}

// hubStatus is what the stream's only hub says of itself.
func (s *stream) hubStatus(ctx context.Context) (status hubStatus) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/status", s.hub(ctx).Status.PodIP, config.PortAdmin), nil)
	Expect(err).NotTo(HaveOccurred())
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = answer.Body.Close() }()
	Expect(json.NewDecoder(answer.Body).Decode(&status)).To(Succeed())
	return status
}
