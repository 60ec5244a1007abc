package controllers

import (
	"context"
	"encoding/json"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/issuer"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// scenario is something that happens to a stream: what was before, and the steps, after each of which the trial settles.
type scenario struct {
	// given is settled before the first step.
	given []func(*trial)
	steps []func(*trial)
	// ready: in the end, the stream serves. Else there is nothing left.
	ready bool
	// unready: in the end, it says that it does not serve.
	unready bool
}

// scenarios are by what happens.
func scenarios() map[string]scenario {
	all := map[string]scenario{
		"a stream is made": {steps: steps(create), ready: true},
		"a new operator has another default image": {given: steps(create), steps: steps(func(w *trial) {
			w.hubImage = "runnel:0.2.0"
			w.restart()
		}, change(func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "20s" })), ready: true},
		"the spec has a field that the hub does not know": {given: steps(create, hasIssuers, upgradeOperator), steps: steps(change(withIssuers)), unready: true},
		"a hub that does not know a field is replaced": {given: steps(create, hasIssuers, upgradeOperator, change(withIssuers)), steps: steps(
			change(func(s *v1alpha1.EventStreamSpec) { s.ImagePolicy = v1alpha1.ImageFollowOperator })), ready: true},
		"the cluster has new keys": {given: steps(create), steps: steps(func(w *trial) {
			w.issuers = issuer.State{Issuers: []config.Issuer{{URL: "https://kubernetes.default.svc", Keys: json.RawMessage(`{"keys":[{"kid":"2"}]}`)}}}
			w.resync()
		}), ready: true},
		"somebody changes children": {given: steps(create), steps: steps(
			drifts("shop-publish", &corev1.Service{}, func(o client.Object) { o.(*corev1.Service).Spec.Selector[render.LabelInstance] = "other" }),
			drifts("shop-subscribe", &corev1.Service{}, func(o client.Object) { delete(o.GetLabels(), render.LabelManagedBy) }),
			drifts("shop-hub", &corev1.ConfigMap{}, func(o client.Object) { o.(*corev1.ConfigMap).Data[render.ConfigKey] = "{}" }),
			drifts("shop-hub", &appsv1.Deployment{}, func(o client.Object) { o.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image = "other" }),
		), ready: true},
		"somebody deletes children": {given: steps(create), steps: steps(
			deletes("shop-hub", &corev1.ServiceAccount{}), deletes("shop-hub", &corev1.ConfigMap{}),
			deletes("shop-publish", &corev1.Service{}), deletes("shop-hub", &appsv1.Deployment{}),
		), ready: true},
		"a foreign object stands in the way and goes": {
			given: steps(makes(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-publish"}})),
			steps: steps(create, deletes("shop-publish", &corev1.Service{})), ready: true,
		},
		"a child is no longer wanted": {given: steps(create, func(w *trial) {
			o := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop-old", Labels: map[string]string{render.LabelManagedBy: render.ManagedBy}}}
			o.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(w.shop(), v1alpha1.GroupVersion.WithKind("EventStream"))}
			w.must(w.api.Create(context.Background(), o))
			w.queue = nil
			w.cache.Sync()
			w.cache.Told() // the release before has made it
		}), steps: steps(change(func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "20s" })), ready: true},
		"somebody renumbers a port while the template changes":        {given: steps(create), steps: steps(renumbers, change(plain)), ready: true},
		"a stream is deleted, its children stay and it is made again": {given: steps(create), steps: steps(func(w *trial) { orphans(w); create(w) }), ready: true},
		"a backup is restored":           {given: steps(create), steps: steps(restores(false), create), ready: true},
		"a hub is no longer ready":       {given: steps(create), steps: steps(hubIsReady(false)), unready: true},
		"a hub is not ready for a while": {given: steps(create), steps: steps(hubIsReady(false), hubIsReady(true)), ready: true},
		"a stream is deleted":            {given: steps(create), steps: steps(deletes("shop", &v1alpha1.EventStream{}))},
		"a stream is deleted and made again at once": {given: steps(create), steps: steps(func(w *trial) {
			deletes("shop", &v1alpha1.EventStream{})(w)
			create(w)
		}), ready: true},
		"a stream is deleted and made again later": {given: steps(create), steps: steps(deletes("shop", &v1alpha1.EventStream{}), create), ready: true},
		"the namespace goes":                       {given: steps(create), steps: steps(func(w *trial) { w.going = true })},
		"a stream is made in a namespace that goes": {given: steps(create), steps: steps(func(w *trial) {
			w.going = true
			change(func(s *v1alpha1.EventStreamSpec) { s.TLS = &v1alpha1.TLS{SecretName: "shop-tls"} })(w)
			deletes("shop-hub", &appsv1.Deployment{})(w)
		})},
	}
	for name, c := range changes() {
		all["another "+name] = c
	}
	return all
}

// changes are one for each group of fields, each there and back again.
func changes() map[string]scenario {
	huge, small := resource.MustParse("4Gi"), resource.MustParse("32Mi")
	all := map[string]scenario{}
	for name, to := range map[string]func(*v1alpha1.EventStreamSpec){
		"set of topics": func(s *v1alpha1.EventStreamSpec) { s.Topics = append(s.Topics, v1alpha1.Topic{Name: "prices.*"}) },
		"retention":     func(s *v1alpha1.EventStreamSpec) { s.Retention.Bytes, s.Retention.Events = &small, new(int32(7)) },
		"heartbeat":     func(s *v1alpha1.EventStreamSpec) { s.Heartbeat.Interval = "20s" },
		"reconnect and drain": func(s *v1alpha1.EventStreamSpec) {
			s.Reconnect.Delay, s.Drain.Window = "3s", "2s"
		},
		"limit": func(s *v1alpha1.EventStreamSpec) { s.Limits.ConnectionsPerHub = new(int32(5)) },
		"origin": func(s *v1alpha1.EventStreamSpec) {
			s.CORS = v1alpha1.CORS{AllowedOrigins: []string{"https://shop.example"}, AllowCredentials: new(true)}
		},
		"grant to publish": func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Publishers = &v1alpha1.PublisherAuth{ServiceAccounts: []v1alpha1.ServiceAccountGrant{{Name: "checkout"}}}
		},
		"open publish port": func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Publishers = &v1alpha1.PublisherAuth{Anonymous: &v1alpha1.Anonymous{}}
		},
		"template": func(s *v1alpha1.EventStreamSpec) {
			s.Template = &v1alpha1.HubTemplate{Annotations: map[string]string{"team.example/owner": "me"}, NodeSelector: map[string]string{"disk": "fast"}}
		},
		"suspension":    func(s *v1alpha1.EventStreamSpec) { s.Suspend, s.Heartbeat.Interval = true, "20s" },
		"contradiction": func(s *v1alpha1.EventStreamSpec) { s.Retention.Bytes = &huge },
		"template's refusal": func(s *v1alpha1.EventStreamSpec) {
			s.Template = &v1alpha1.HubTemplate{NodeSelector: map[string]string{"bad key!": ""}}
		},
	} {
		all[name] = scenario{given: steps(create), steps: steps(change(to), change(plain)), ready: true}
	}
	for name, c := range map[string]struct {
		to        func(*v1alpha1.EventStreamSpec)
		reference string
	}{
		"key":         {withKey, "Secret shop-ci"},
		"certificate": {func(s *v1alpha1.EventStreamSpec) { s.TLS = &v1alpha1.TLS{SecretName: "shop-tls"} }, "Secret shop-tls"},
		"issuer": {func(s *v1alpha1.EventStreamSpec) {
			s.Auth.Subscribers = &v1alpha1.SubscriberAuth{JWT: &v1alpha1.JWTAuth{Issuers: []v1alpha1.TokenIssuer{{
				Issuer: "https://id.example", Audiences: []string{"shop"}, Topics: []string{">"}, JWKS: &v1alpha1.KeySet{ConfigMapRef: &v1alpha1.EntryReference{Name: "id"}},
			}}}}
		}, "ConfigMap id"},
	} {
		all[name] = scenario{given: steps(create), steps: steps(change(c.to), func(w *trial) {
			w.secrets[c.reference] = true
		}, change(plain)), ready: true}
	}
	return all
}

func steps(all ...func(*trial)) []func(*trial) { return all }

// plain is the spec that streams are made with.
func plain(s *v1alpha1.EventStreamSpec) {
	*s = v1alpha1.EventStreamSpec{
		Topics: []v1alpha1.Topic{{Name: "orders"}},
		Auth:   &v1alpha1.Auth{Subscribers: &v1alpha1.SubscriberAuth{Anonymous: &v1alpha1.Anonymous{}}},
	}
}

func create(w *trial) {
	s := &v1alpha1.EventStream{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop"}}
	plain(&s.Spec)
	s.Status.ObservedGeneration = -1 // the definition's default
	w.must(w.api.Create(context.Background(), s))
}

// change changes the spec as its author would.
func change(f func(*v1alpha1.EventStreamSpec)) func(*trial) {
	return func(w *trial) {
		s := w.shop()
		f(&s.Spec)
		w.must(w.api.Update(context.Background(), s))
	}
}

func (w *trial) shop() *v1alpha1.EventStream {
	s := &v1alpha1.EventStream{}
	w.must(w.api.Get(context.Background(), key("shop"), s))
	return s
}

// hubIsReady has the kubelet say whether hubs are ready.
func hubIsReady(ready bool) func(*trial) {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return func(w *trial) {
		pods := &corev1.PodList{}
		w.must(w.api.List(context.Background(), pods))
		for i := range pods.Items {
			pods.Items[i].Status.Conditions[0].Status = status
			w.must(w.api.Status().Update(context.Background(), &pods.Items[i]))
		}
	}
}

// upgradeOperator replaces the operator by one that knows more fields, and whose hubs do.
func upgradeOperator(w *trial) {
	w.hubImage, w.additions = next, planted()
	w.restart()
}

func hasIssuers(w *trial) { w.secrets["ConfigMap new"], w.secrets["ConfigMap old"] = true, true }

func makes(o client.Object) func(*trial) {
	return func(w *trial) { w.must(w.api.Create(context.Background(), o.DeepCopyObject().(client.Object))) }
}

func drifts(name string, kind client.Object, f func(client.Object)) func(*trial) {
	return func(w *trial) {
		o := kind.DeepCopyObject().(client.Object)
		w.must(w.api.Get(context.Background(), key(name), o))
		f(o)
		w.must(w.api.Update(context.Background(), o))
	}
}

func deletes(name string, kind client.Object) func(*trial) {
	return func(w *trial) {
		o := kind.DeepCopyObject().(client.Object)
		err := w.api.Get(context.Background(), key(name), o)
		w.g.Expect(apierrors.IsNotFound(err) || err == nil).To(BeTrue())
		if err == nil {
			w.must(w.api.Delete(context.Background(), o))
		}
	}
}
