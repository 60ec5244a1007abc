package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// observed reconciles the stream once and returns what is logged at info, and the events.
func (w *world) observed() (lines, events []string) {
	logger := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	w.writes = nil
	_, err := w.r.Reconcile(log.IntoContext(context.Background(), logger), reconcile.Request{NamespacedName: key("shop")})
	w.g.Expect(err).NotTo(HaveOccurred())
	return lines, w.events()
}

// settle reconciles until the hub is there and nothing is left to do.
func (w *world) settle() {
	w.reconcile()
	w.hubRuns()
	w.reconcile()
	w.reconcile()
	w.events()
}

func TestWhatTheOperatorDoesIsLoggedAndRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		change func(g Gomega, w *world)
		logs   []string // each is in a line of its own
		events []string // each is in an event of its own; no other is there but of transitions
	}{
		"nothing": {func(Gomega, *world) {}, nil, nil},
		"a reload": {
			func(_ Gomega, w *world) {
				w.change(func(s *v1alpha1.EventStreamSpec) { s.Topics = append(s.Topics, v1alpha1.Topic{Name: "more"}) })
			},
			[]string{`"msg"="Child changed" "kind"="ConfigMap" "child"="shop-hub"`},
			[]string{"Normal Reloading hubs take up configuration "},
		},
		"a rollout": {
			func(_ Gomega, w *world) {
				w.change(func(s *v1alpha1.EventStreamSpec) {
					s.Template = &v1alpha1.HubTemplate{NodeSelector: map[string]string{"disk": "fast"}}
				})
			},
			[]string{`"msg"="Child changed" "kind"="Deployment" "child"="shop-hub"`, `"msg"="Rollout started" "fields"=["spec.nodeSelector"]`},
			[]string{"Normal RolloutStarted the hub is replaced and hands its history over, since its pod template changed in spec.nodeSelector"},
		},
		"an upgrade": {
			func(_ Gomega, w *world) {
				w.r.HubImage, w.r.ImagePolicy, w.r.ConcurrentUpgrades = "runnel:0.2.0", v1alpha1.ImageFollowOperator, 1
			},
			[]string{`"msg"="Hub upgraded" "from"="runnel:0.1.0" "to"="runnel:0.2.0"`},
			[]string{"Normal ImageUpgraded the hub is replaced by one of image runnel:0.2.0 in place of runnel:0.1.0"},
		},
		"a changed child": {
			func(g Gomega, w *world) {
				service := &corev1.Service{}
				w.get("shop-publish", service)
				service.Spec.Selector[render.LabelInstance] = "other"
				g.Expect(w.Update(context.Background(), service)).To(Succeed())
			},
			[]string{`"msg"="Drift repaired" "what"=["Service shop-publish was changed, in .spec.selector.app.kubernetes.io/instance for instance"]`},
			[]string{"Normal DriftRepaired Service shop-publish was changed, in .spec.selector.app.kubernetes.io/instance for instance; it is as the spec asks again"},
		},
		"an image by hand": {
			func(g Gomega, w *world) {
				d := &appsv1.Deployment{}
				w.get("shop-hub", d)
				d.Spec.Template.Spec.Containers[0].Image = "other"
				g.Expect(w.Update(context.Background(), d)).To(Succeed())
			},
			[]string{`"msg"="Drift repaired" "what"=["Deployment shop-hub was changed, in .spec.template.spec.containers[0].image for instance"]`},
			[]string{"Normal DriftRepaired Deployment shop-hub was changed, in .spec.template.spec.containers[0].image for instance"},
		},
		"a deleted child": {
			func(g Gomega, w *world) {
				g.Expect(w.Delete(context.Background(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-hub"}})).To(Succeed())
			},
			[]string{`"msg"="Drift repaired" "what"=["ServiceAccount shop-hub was deleted"]`},
			[]string{"Normal DriftRepaired ServiceAccount shop-hub was deleted; it is as the spec asks again"},
		},
		"a child of an earlier operator": {
			func(g Gomega, w *world) {
				old := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-old", OwnerReferences: []metav1.OwnerReference{
					*metav1.NewControllerRef(w.stream(), v1alpha1.GroupVersion.WithKind("EventStream"))}}}
				g.Expect(w.Create(context.Background(), old)).To(Succeed())
			},
			[]string{`"msg"="Child deleted" "kind"="ConfigMap" "child"="shop-old"`}, nil,
		},
		"an orphan": {
			func(g Gomega, w *world) {
				service := &corev1.Service{}
				w.get("shop-publish", service)
				service.OwnerReferences = nil
				g.Expect(w.Update(context.Background(), service)).To(Succeed())
			},
			[]string{`"msg"="Child adopted" "kind"="Service" "child"="shop-publish"`}, nil,
		},
		"a contradiction": {
			func(_ Gomega, w *world) {
				w.change(func(s *v1alpha1.EventStreamSpec) { huge := resource.MustParse("4Gi"); s.Retention.Bytes = &huge })
			},
			[]string{`"msg"="Condition changed" "type"="Accepted" "from"="True/Accepted" "to"="False/Invalid" "message"="`},
			[]string{"Warning Invalid"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(g)
			w.settle()
			c.change(g, w)
			lines, events := w.observed()
			for _, want := range c.logs {
				g.Expect(lines).To(ContainElement(ContainSubstring(want)))
			}
			g.Expect(events).To(HaveLen(len(c.events)))
			for i, want := range c.events {
				g.Expect(events[i]).To(HavePrefix(want))
			}
			w.rolls("shop")
			w.hubReloads()
			w.observed()
			w.timePasses()
			w.observed()
			lines, events = w.observed()
			g.Expect(lines).To(BeEmpty(), "a settled stream")
			g.Expect(events).To(BeEmpty(), "a settled stream")
			g.Expect(w.writes).To(BeEmpty(), "a settled stream")
		})
	}
}

func TestANewStreamIsLogged(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	lines, events := w.observed()
	for _, child := range []string{`"ServiceAccount" "child"="shop-hub"`, `"ConfigMap" "child"="shop-hub"`, `"Deployment" "child"="shop-hub"`, `"Service" "child"="shop-publish"`} {
		g.Expect(lines).To(ContainElement(ContainSubstring(`"msg"="Child created" "kind"=` + child)))
	}
	g.Expect(lines).To(ContainElement(ContainSubstring(`"type"="Ready" "from"="" "to"="False/Progressing"`)))
	g.Expect(events).To(HaveLen(1))
	g.Expect(events[0]).To(HavePrefix("Normal Accepted"), "that it is made is no drift, and no rollout")
}

// A controller of somebody else may change a child back each time.
func TestAFightOverAChildIsToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		w := newWorld(g)
		w.settle()
		var told []string
		const rounds = 100
		for range rounds {
			d := &appsv1.Deployment{}
			w.get("shop-hub", d)
			five := int32(5)
			d.Spec.Replicas = &five
			g.Expect(w.Update(context.Background(), d)).To(Succeed())
			lines, events := w.observed()
			told = append(told, events...)
			g.Expect(strings.Count(strings.Join(lines, "\n"), "Drift repaired")).To(Equal(strings.Count(strings.Join(events, "\n"), "DriftRepaired")))
			time.Sleep(time.Second)
		}
		g.Expect(told).To(HaveLen(2))
		g.Expect(told[0]).To(ContainSubstring("Deployment shop-hub was changed, in .spec.replicas for instance; it is as the spec asks again"))
		g.Expect(told[1]).To(HaveSuffix(fmt.Sprintf("as %d times more since the last event of this kind", 59)))
	})
}

func TestTemplateDifferences(t *testing.T) {
	template := func(change func(*corev1.PodTemplateSpec)) corev1.PodTemplateSpec {
		p := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "hub", Image: "a", Args: []string{"x"}}}}}
		change(&p)
		return p
	}
	same := func(*corev1.PodTemplateSpec) {}
	for want, change := range map[string]func(*corev1.PodTemplateSpec){
		"":                               same,
		"spec.containers[0].args":        func(p *corev1.PodTemplateSpec) { p.Spec.Containers[0].Args = nil },
		"spec.containers[0].image":       func(p *corev1.PodTemplateSpec) { p.Spec.Containers[0].Image = "b" },
		"metadata.labels":                func(p *corev1.PodTemplateSpec) { p.Labels = map[string]string{"a": "b"} },
		"metadata.labels, spec.nodeName": func(p *corev1.PodTemplateSpec) { p.Labels = map[string]string{"a": "b"}; p.Spec.NodeName = "n" },
		"spec.containers[0].resources.limits": func(p *corev1.PodTemplateSpec) {
			p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("1")}
		},
	} {
		if got := strings.Join(templateDifferences(template(same), template(change)), ", "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
