package controllers

import (
	"encoding/json"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/issuer"
	"github.com/runnel-dev/runnel/hub/config"
)

func TestNoConfigurationIsWrittenBeforeTheKeysAreKnown(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	known := w.issuers
	w.issuers = issuer.State{Pending: true}
	g.Expect(w.reconcile()).To(Equal(reconcile.Result{}))
	g.Expect(w.writes).To(BeEmpty())

	w.change(func(s *v1alpha1.EventStreamSpec) {
		s.Auth.Publishers = &v1alpha1.PublisherAuth{Anonymous: &v1alpha1.Anonymous{}}
	})
	w.reconcile()
	g.Expect(w.writes).NotTo(BeEmpty(), "anonymous publishers need no keys")
	g.Expect(w.config().Auth.Publishers.ServiceAccounts).To(BeNil())
	g.Expect(w.config().Auth.Issuers).To(BeEmpty())

	w.issuers = known
	w.reconcile()
	g.Expect(w.config().Auth.Issuers).To(HaveLen(1), "hubs know each other by them")
	w.issuers = issuer.State{Pending: true}
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty(), "an operator that starts anew takes nothing away")
	w.issuers = issuer.State{Err: errors.New("not found")}
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty())
	g.Expect(w.condition("ConfigLoaded")).NotTo(ContainSubstring("IssuerKeysMissing"), "no publisher lacks them")

	w.issuers = known
	w.change(func(s *v1alpha1.EventStreamSpec) { s.Auth.Publishers = nil })
	w.reconcile()
	g.Expect(w.config().Auth.Issuers).To(ConsistOf(HaveField("URL", known.Issuers[0].URL)))
}

func TestAClusterWithoutKeysDoesNotKeepReadersWaiting(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.issuers = issuer.State{Err: errors.New("not found")}
	w.reconcile()
	w.hubRuns()
	w.reconcile()
	g.Expect(w.config().Auth.Issuers).To(BeEmpty())
	g.Expect(w.condition("Available")).To(Equal("True/Available"))
	g.Expect(w.condition("ConfigLoaded")).To(Equal("False/IssuerKeysMissing"))
}

func TestAClusterWithoutKeysIsNoMatterOfAnonymousPublishers(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.issuers = issuer.State{Err: errors.New("not found")}
	w.change(func(s *v1alpha1.EventStreamSpec) {
		s.Auth.Publishers = &v1alpha1.PublisherAuth{Anonymous: &v1alpha1.Anonymous{}}
	})
	w.reconcile()
	w.hubRuns()
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
}

func TestKeysThatWereWrittenOutliveAnOperatorThatLearnsNone(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.issuers = issuer.State{Err: errors.New("away")}
	w.reconcile()
	g.Expect(w.writes).To(BeEmpty())
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
}

func TestNewKeysReachTheHub(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.issuers = issuer.State{Issuers: []config.Issuer{{URL: "https://kubernetes.default.svc", Keys: json.RawMessage(`{"keys":[{"kid":"2"}]}`)}}}
	w.reconcile()
	g.Expect(w.writes).To(ContainElement("apply ConfigMap shop-hub"))
	g.Expect(w.writes).NotTo(ContainElement("apply Deployment shop-hub"))
	g.Expect(w.stream().Status.ConfigHash).NotTo(Equal(config.Hash(w.config())), "the hub has a moment to take them up")
	w.hubReloads()
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
	g.Expect(w.stream().Status.ConfigHash).To(Equal(config.Hash(w.config())))
}
