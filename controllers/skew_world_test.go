package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// planted plays additions: fields of today, as if version 1 of the configuration had not had them.
func planted() config.Additions {
	lasting := func(i config.TokenIssuer) bool { return i.MaxTokenLifetime.D() != config.DefaultMaxTokenLifetime }
	issuers := func(c *config.Config) []config.TokenIssuer {
		if c.Auth.Subscribers.JWT == nil {
			return nil
		}
		return c.Auth.Subscribers.JWT.Issuers
	}
	return config.Additions{{
		Field: "auth.subscribers.jwt.issuers.maxTokenLifetime", Version: 2,
		Used: func(c *config.Config) bool { return slices.ContainsFunc(issuers(c), lasting) },
		LeaveOut: func(c *config.Config) {
			if j := c.Auth.Subscribers.JWT; j != nil {
				j.Issuers = slices.DeleteFunc(j.Issuers, lasting)
			}
		},
	}, {
		Field: "limits.connectionsPerIdentity", Version: 3,
		Used:     func(c *config.Config) bool { return c.Limits.ConnectionsPerIdentity != 0 },
		LeaveOut: func(c *config.Config) { c.Limits.ConnectionsPerIdentity = 0 },
	}}
}

// withIssuers lets in subscribers by the tokens of two issuers. A hub of version 1 does not know the lifetime of the first one's.
func withIssuers(s *v1alpha1.EventStreamSpec) {
	issuer := func(name string, lifetime v1alpha1.Duration) v1alpha1.TokenIssuer {
		return v1alpha1.TokenIssuer{
			Issuer: "https://" + name, Audiences: []string{"shop"}, Topics: []string{">"}, MaxTokenLifetime: lifetime,
			JWKS: &v1alpha1.KeySet{ConfigMapRef: &v1alpha1.EntryReference{Name: name}},
		}
	}
	s.Auth.Subscribers = &v1alpha1.SubscriberAuth{JWT: &v1alpha1.JWTAuth{Issuers: []v1alpha1.TokenIssuer{issuer("new", "1h"), issuer("old", "")}}}
}

// hubsByAddress are hubs of several versions; one without a version does not answer.
type hubsByAddress struct {
	versions map[string]int
	world    *world
	asked    []string
}

func (h *hubsByAddress) Read(_ context.Context, ip string) (HubStatus, error) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	h.asked = append(h.asked, ip)
	if h.versions[ip] == 0 {
		return HubStatus{}, errors.New("no route to host")
	}
	s := HubStatus{ConfigVersion: h.versions[ip], ConfigHash: "of before"}
	if h.world.written().Version <= s.ConfigVersion {
		s.ConfigHash = config.Hash(h.world.written())
	}
	return s, nil
}

// written is the document, of any version.
func (w *world) written() *config.Config {
	cm := &corev1.ConfigMap{}
	w.get("shop-hub", cm)
	cfg, err := planted().Decode([]byte(cm.Data[render.ConfigKey]))
	w.g.Expect(err).NotTo(HaveOccurred())
	return cfg
}

// issuers of the document, by name.
func (w *world) writtenIssuers() (names []string) {
	if j := w.written().Auth.Subscribers.JWT; j != nil {
		for _, i := range j.Issuers {
			names = append(names, strings.TrimPrefix(i.Issuer, "https://"))
		}
	}
	return names
}

func (w *world) message(kind string) string {
	for _, c := range w.stream().Status.Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

// upgraded is a world with a hub of image 0.1.0 that reads a version, and an operator of image 0.2.0, which has just started.
func upgraded(g Gomega, version int) (*world, *hubsByAddress) {
	w := ready(g)
	hubs := &hubsByAddress{versions: map[string]int{"127.1.0.1": version}, world: w}
	w.restartWith(hubs, next)
	return w, hubs
}

// restartWith starts another operator, which knows the planted additions.
func (w *world) restartWith(hubs HubReader, image string) {
	r := w.r
	w.r = &Reconciler{
		Client: r.Client, Applier: r.Applier, Issuers: r.Issuers, Hubs: hubs, Recorder: r.Recorder, HubImage: image,
		ClusterDomain: r.ClusterDomain, ConcurrentUpgrades: 1, additions: planted(),
	}
}
