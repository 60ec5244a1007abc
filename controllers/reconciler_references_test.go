package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/hub/config"
)

// withKey has one publish by a static key.
func withKey(s *v1alpha1.EventStreamSpec) {
	s.Auth.Publishers = &v1alpha1.PublisherAuth{Keys: []v1alpha1.PublisherKey{{Name: "ci", SecretRef: v1alpha1.EntryReference{Name: "shop-ci"}}}}
}

func TestAMissingSecretIsNamedUntilItIsThere(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.change(withKey)
	w.reconcile()
	w.rolls("shop")
	w.hubReloads()
	w.hub.Missing = []string{"Secret shop-ci, key token"}
	w.reconcile()
	g.Expect(w.condition("Available")).To(Equal("True/Available"))
	g.Expect(w.condition("ConfigLoaded")).To(Equal("False/SecretMissing"))
	g.Expect(w.condition("Ready")).To(Equal("False/SecretMissing"))
	g.Expect(w.events()).To(ContainElement(And(HavePrefix("Warning SecretMissing"), ContainSubstring("Secret shop-ci, key token"))))

	nudges := 0
	var result reconcile.Result
	for range 20 {
		w.timePasses()
		result = w.reconcile()
		nudges += len(w.writes)
	}
	g.Expect(result.RequeueAfter).To(Equal(longestWaiting), "nobody tells when it is made")
	g.Expect(nudges).To(BeNumerically("~", patientNudges-2, 2), "it may be there already, and is not for long")

	w.hubReloads()
	w.timePasses()
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
	g.Expect(w.events()).To(ConsistOf(HavePrefix("Normal ConfigLoaded")))
}

func TestWhatAHubHasIsAskedAgainAfterAWhile(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.change(withKey)
	w.reconcile()
	w.rolls("shop")
	w.hubReloads()
	g.Expect(w.reconcile()).To(Equal(reconcile.Result{RequeueAfter: confirmationAge}))
	w.asked = 0
	w.hub.Missing = []string{"Secret shop-ci, key token"} // as when somebody deletes it
	w.reconcile()
	g.Expect(w.asked).To(BeZero())
	w.timePasses()
	w.reconcile()
	g.Expect(w.condition("ConfigLoaded")).To(Equal("False/SecretMissing"))
}

func TestAHubThatIsNotReadyMaySayWhy(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.change(func(s *v1alpha1.EventStreamSpec) { s.TLS = &v1alpha1.TLS{SecretName: "shop-tls"} })
	w.hubIsReady(corev1.ConditionFalse)
	w.reconcile()
	w.rolls("shop")
	w.hubReloads()
	w.hub.Missing = []string{"Secret shop-tls, key tls.crt", "Secret shop-tls, key tls.key"}
	w.reconcile()
	g.Expect(w.condition("Available")).To(Equal("False/SecretMissing"))
	g.Expect(w.condition("Ready")).To(Equal("False/SecretMissing"))
	g.Expect(w.condition("Reconciling")).To(BeEmpty(), "it waits for a person")
	g.Expect(w.stream().Status.SubscribeURL).To(Equal("https://shop-subscribe.team-a.svc.cluster.local"))

	w.hubReloads()
	w.hubIsReady(corev1.ConditionTrue)
	w.reconcile()
	g.Expect(w.condition("Ready")).To(Equal("True/Ready"))
}

func TestAHubThatCannotSayYetWhyItIsNotReadyIsAskedAgain(t *testing.T) {
	g := NewWithT(t)
	w := ready(g)
	w.change(func(s *v1alpha1.EventStreamSpec) { s.TLS = &v1alpha1.TLS{SecretName: "shop-tls"} })
	w.hubIsReady(corev1.ConditionFalse)
	w.hub = nil // its process has been started and does not listen yet
	w.reconcile()
	w.rolls("shop")
	for range 3 {
		w.timePasses()
		g.Expect(w.reconcile().RequeueAfter).To(And(BeNumerically(">", 0), BeNumerically("<=", longestWaiting)))
		g.Expect(w.writes).NotTo(ContainElement(HavePrefix("patch")), "its files are new")
	}
	w.hubReloads()
	w.hub.Missing = []string{"Secret shop-tls, key tls.crt"}
	w.timePasses()
	w.reconcile()
	g.Expect(w.condition("Available")).To(Equal("False/SecretMissing"))
}

func TestKeysAloneNeedNothingOfTheCluster(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.issuers.Pending = true
	w.change(withKey)
	w.reconcile()
	g.Expect(w.writes).To(ContainElement("apply Deployment shop-hub"))
	g.Expect(w.config().Auth.Publishers).To(Equal(config.Publishers{Keys: []config.Key{
		{Name: "ci", Token: config.Reference{Kind: "Secret", Name: "shop-ci", Key: "token"}, Topics: []string{">"}},
	}}))
}
