package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/test/sse"
)

var _ = Describe("A stream", func() {
	It("is made of a spec, and says where it is and how it does", func(ctx SpecContext) {
		states := watched.count()
		s := serving(ctx)
		Eventually(watched.count).Should(BeNumerically(">", states), "its states are held against the rules")
		o := s.now(ctx)
		for name, child := range s.children() {
			get(ctx, client.ObjectKeyFromObject(child), child)
			Expect(metav1.IsControlledBy(child, o)).To(BeTrue(), "%s belongs to the stream", name)
		}
		Expect(o.Status.Address).To(HaveValue(Equal(v1alpha1.Address{
			URL:      "http://shop-publish." + s.key.Namespace + ".svc.cluster.local",
			Audience: "runnel.dev/" + s.key.Namespace + "/shop",
		})))
		Expect(o.Status.SubscribeURL).To(Equal("http://shop-subscribe." + s.key.Namespace + ".svc.cluster.local"))
		for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable, v1alpha1.ConditionConfigLoaded} {
			s.condition(ctx, kind, "True", kind)
		}
		Expect(o.Status.Replicas).To(BeEquivalentTo(1))
		Expect(o.Status.Image).To(Equal(s.hub(ctx).Spec.Containers[0].Image))
		Expect(o.Status.ConfigHash).To(Equal(s.running(ctx)))
		Eventually(s.events).WithContext(ctx).Should(ConsistOf("Accepted", "Available", "ConfigLoaded"))
	})

	It("lets its namespace's ServiceAccounts publish, and nobody else", func(ctx SpecContext) {
		s := serving(ctx)
		other := newNamespace(ctx)
		audience := s.now(ctx).Status.Address.Audience
		token := func(namespace, audience string) string {
			t, err := p.Token(ctx, namespace, publisher, audience)
			Expect(err).NotTo(HaveOccurred())
			return t
		}
		forAPI, err := apiToken(ctx, s.key.Namespace, publisher)
		Expect(err).NotTo(HaveOccurred())
		r := s.read(ctx, "")
		for _, c := range []struct {
			who, token, topic string
			status            int
			says              string
		}{
			{"a ServiceAccount of the namespace", s.token, "orders", http.StatusOK, `"duplicate":false`},
			{"one of another namespace", token(other, audience), "orders", http.StatusForbidden, "publish"},
			{"a token for somebody else", token(s.key.Namespace, "somebody.else"), "orders", http.StatusUnauthorized, audience},
			{"a token for the API server", forAPI, "orders", http.StatusUnauthorized, audience},
			{"nobody", "", "orders", http.StatusUnauthorized, audience},
			{"nonsense", "nonsense", "orders", http.StatusUnauthorized, "JSON Web Token"},
			{"a ServiceAccount, to another topic", s.token, "prices", http.StatusNotFound, "spec.topics"},
		} {
			status, body := s.post(ctx, c.token, c.topic, c.who)
			Expect(status).To(Equal(c.status), "%s: %s", c.who, body)
			body, err := unescaped(body)
			Expect(err).NotTo(HaveOccurred())
			Expect(body).To(ContainSubstring(c.says), c.who)
		}
		Expect(r.receives(ctx)).To(Equal("a ServiceAccount of the namespace"))
		s.send(ctx, "the end")
		Expect(r.receives(ctx)).To(Equal("the end"), "nobody else has published")
	})

	It("grants publishers of other namespaces what its spec lists", func(ctx SpecContext) {
		other := newNamespace(ctx)
		s := serving(ctx, func(spec *v1alpha1.EventStreamSpec) {
			spec.Topics = append(spec.Topics, v1alpha1.Topic{Name: "prices.*"})
			spec.Auth.Publishers = &v1alpha1.PublisherAuth{ServiceAccounts: []v1alpha1.ServiceAccountGrant{
				{Namespace: other, Name: publisher, Topics: []string{"prices.*"}},
			}}
		})
		token, err := p.Token(ctx, other, publisher, s.now(ctx).Status.Address.Audience)
		Expect(err).NotTo(HaveOccurred())
		for topic, want := range map[string]int{"prices.eu": http.StatusOK, "orders": http.StatusForbidden} {
			status, body := s.post(ctx, token, topic, "1")
			Expect(status).To(Equal(want), "%s: %s", topic, body)
		}
		status, body := s.post(ctx, s.token, "orders", "1")
		Expect(status).To(Equal(http.StatusForbidden), "the list replaces the default: %s", body)
	})

	It("takes up another spec in the running hub, with no connection lost", func(ctx SpecContext) {
		s := serving(ctx)
		before, r := run(s.hub(ctx)), s.read(ctx, "")
		for _, c := range []struct {
			what   string
			change func(*v1alpha1.EventStreamSpec)
			holds  func(Gomega)
		}{
			{"a topic more", func(spec *v1alpha1.EventStreamSpec) {
				spec.Topics = append(spec.Topics, v1alpha1.Topic{Name: "prices"})
			}, func(g Gomega) { g.Expect(s.status(ctx, "prices", "1")).To(Equal(http.StatusOK)) }},
			{"a topic less", func(spec *v1alpha1.EventStreamSpec) { spec.Topics = spec.Topics[:1] },
				func(g Gomega) { g.Expect(s.status(ctx, "prices", "1")).To(Equal(http.StatusNotFound)) }},
			{"a lower limit", func(spec *v1alpha1.EventStreamSpec) { spec.Limits.MaxEventSize = new(resource.MustParse("1Ki")) },
				func(g Gomega) {
					g.Expect(s.status(ctx, "orders", strings.Repeat("x", 1025))).To(Equal(http.StatusRequestEntityTooLarge))
				}},
			{"another origin", func(spec *v1alpha1.EventStreamSpec) { spec.CORS.AllowedOrigins = []string{"https://shop.example"} },
				func(g Gomega) {
					c, err := sse.Open(ctx, s.subscribe+"/v1/events?topic=orders", sse.With("Origin", "https://shop.example"))
					g.Expect(err).NotTo(HaveOccurred())
					defer c.Close()
					g.Expect(c.Answer.Get("Access-Control-Allow-Origin")).To(Equal("https://shop.example"))
				}},
			{"open doors", func(spec *v1alpha1.EventStreamSpec) {
				spec.Auth.Publishers = &v1alpha1.PublisherAuth{Anonymous: &v1alpha1.Anonymous{}}
			}, func(g Gomega) {
				status, _ := s.post(ctx, "", "orders", "from nobody")
				g.Expect(status).To(Equal(http.StatusOK))
				g.Expect(r.receives(ctx)).To(Equal("from nobody"))
			}},
			{"other times", func(spec *v1alpha1.EventStreamSpec) {
				spec.Heartbeat.Interval, spec.Reconnect.Delay, spec.Drain.Window, spec.Retention.Age = "7s", "9s", "2s", "1h"
			}, func(g Gomega) {
				e := s.read(ctx, "").first
				g.Expect(e.Data).To(ContainSubstring(`"heartbeatMs":7000`))
				g.Expect(e.Retry).To(HaveValue(And(BeNumerically(">=", 9e9), BeNumerically("<", 18e9))))
			}},
		} {
			By(c.what)
			s.change(ctx, c.change)
			o := s.ready(ctx)
			Expect(s.running(ctx)).To(Equal(o.Status.ConfigHash))
			c.holds(Default)
			s.send(ctx, c.what)
			Expect(r.receives(ctx)).To(Equal(c.what), "on the first connection")
		}
		Expect(run(s.hub(ctx))).To(Equal(before), "it is the same process")
	})

	It("goes on with what it has when its new spec cannot be carried out", func(ctx SpecContext) {
		s := serving(ctx)
		r, before := s.read(ctx, ""), s.versions(ctx)
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Retention.Bytes = new(resource.MustParse("1Gi")) })
		s.condition(ctx, v1alpha1.ConditionStalled, "True", "Invalid")
		Expect(s.condition(ctx, v1alpha1.ConditionReady, "False", "Invalid")).To(And(
			ContainSubstring("1024Mi"), ContainSubstring("512Mi"), ContainSubstring("raise the limit")))
		s.send(ctx, "still here")
		Expect(r.receives(ctx)).To(Equal("still here"))
		Expect(s.versions(ctx)).To(Equal(before))

		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Retention.Bytes = new(resource.MustParse("32Mi")) })
		s.ready(ctx)
		s.send(ctx, "well again")
		Expect(r.receives(ctx)).To(Equal("well again"))
	})

	It("is left as it is while it is suspended", func(ctx SpecContext) {
		s := serving(ctx)
		r := s.read(ctx, "")
		port := s.child("shop-publish")
		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Suspend, spec.Heartbeat.Interval = true, "7s" })
		s.condition(ctx, v1alpha1.ConditionAccepted, "Unknown", "Suspended")
		s.send(ctx, "still here")
		Expect(r.receives(ctx)).To(Equal("still here"))

		w, err := operatorWork(ctx)
		Expect(err).NotTo(HaveOccurred())
		svc := get(ctx, port, &corev1.Service{})
		svc.Labels["app.kubernetes.io/part-of"] = "mine"
		Expect(p.Client.Update(ctx, svc)).To(Succeed())
		before := s.versions(ctx)
		settledAfter(ctx, w.done)
		Expect(s.versions(ctx)).To(Equal(before), "nothing is repaired or reloaded")

		s.change(ctx, func(spec *v1alpha1.EventStreamSpec) { spec.Suspend = false })
		s.ready(ctx)
		Expect(get(ctx, port, svc).Labels).To(HaveKeyWithValue("app.kubernetes.io/part-of", "runnel"))
		Expect(s.read(ctx, "").first.Data).To(ContainSubstring(`"heartbeatMs":7000`))
	})

	It("takes everything with it when it is deleted", func(ctx SpecContext) {
		s := serving(ctx)
		admin := net.JoinHostPort(s.hub(ctx).Status.PodIP, fmt.Sprint(config.PortAdmin))
		r := s.read(ctx, "")
		Expect(p.Client.Delete(ctx, s.now(ctx), client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		Expect(r.next(ctx).Data).To(ContainSubstring(`"reason":"drain"`))
		for name, child := range s.children() {
			Eventually(func() error { return p.Client.Get(ctx, client.ObjectKeyFromObject(child), child) }).
				Should(MatchError(apierrors.IsNotFound, "IsNotFound"), name)
		}
		Eventually(s.pods).WithContext(ctx).Should(BeEmpty())
		_, err := net.Dial("tcp", admin)
		Expect(err).To(HaveOccurred(), "its process has ended")
		Expect(p.Client.Get(ctx, s.key, &v1alpha1.EventStream{})).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
	})
})

// unescaped is a JSON document as a person reads it: the encoder writes < and > by their numbers.
func unescaped(document string) (string, error) {
	var v any
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		return "", fmt.Errorf("%w: %s", err, document)
	}
	return strings.ReplaceAll(document, `\"`, `"`), nil
}

// events are the reasons of those that are about the stream, once for each time.
func (s *stream) events(ctx context.Context) (reasons []string, err error) {
	err = s.eachEvent(ctx, func(e *eventsv1.Event, times int) {
		reasons = append(reasons, slices.Repeat([]string{e.Reason}, times)...)
	})
	return reasons, err
}

// notes are what the events of a reason say that are about the stream, once for each time.
func (s *stream) notes(ctx context.Context, reason string) (notes []string, err error) {
	err = s.eachEvent(ctx, func(e *eventsv1.Event, times int) {
		if e.Reason == reason {
			notes = append(notes, slices.Repeat([]string{e.Note}, times)...)
		}
	})
	return notes, err
}

func (s *stream) eachEvent(ctx context.Context, see func(e *eventsv1.Event, times int)) error {
	list := &eventsv1.EventList{}
	err := p.Client.List(ctx, list, client.InNamespace(s.key.Namespace))
	for i := range list.Items {
		e := &list.Items[i]
		if e.Regarding.Kind == "EventStream" && e.Regarding.Name == s.key.Name {
			times := 1
			if e.Series != nil {
				times = int(e.Series.Count)
			}
			see(e, times)
		}
	}
	return err
}

// running names the configuration that the hub says it runs.
func (s *stream) running(ctx context.Context) string {
	GinkgoHelper()
	return s.hubStatus(ctx).ConfigHash
}

// status is that of a publication by the namespace's own publisher.
func (s *stream) status(ctx context.Context, topic, data string) int {
	GinkgoHelper()
	status, _ := s.post(ctx, s.token, topic, data)
	return status
}

// versions are the resource versions of all children.
func (s *stream) versions(ctx context.Context) map[string]string {
	GinkgoHelper()
	versions := map[string]string{}
	for name, child := range s.children() {
		versions[name] = get(ctx, client.ObjectKeyFromObject(child), child).GetResourceVersion()
	}
	return versions
}
