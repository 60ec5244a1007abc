package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/sse"
	"github.com/runnel-dev/runnel/test/suite"
)

// publisher is the ServiceAccount that publishes.
const publisher = "checkout"

// stream is one EventStream and its clients.
type stream struct {
	key client.ObjectKey
	// subscribe and publish are URLs on this machine.
	subscribe, publish string
	token              string
	// transport of its clients; nil is one in clear text.
	transport http.RoundTripper
}

// newNamespace makes a namespace that only restricted pods may be in, with a ServiceAccount in it. It is gone after the spec.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "team-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	Expect(p.Client.Create(ctx, ns)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		if apierrors.IsNotFound(p.Client.Get(ctx, client.ObjectKeyFromObject(ns), ns)) {
			return
		}
		// A hub that ends waits for one that takes over, and drains: nobody is there any more to whom that matters. A namespace with pods
		// would be looked at again only after half of their grace period.
		for _, kind := range []client.Object{&v1alpha1.EventStream{}, &appsv1.Deployment{}} {
			Expect(p.Client.DeleteAllOf(ctx, kind, client.InNamespace(ns.Name))).To(Succeed())
		}
		Eventually(func(g Gomega) {
			deployments, replicas, pods := &appsv1.DeploymentList{}, &appsv1.ReplicaSetList{}, &corev1.PodList{}
			for _, list := range []client.ObjectList{deployments, replicas, pods} { // in the order in which they make each other
				g.Expect(p.Client.List(ctx, list, client.InNamespace(ns.Name))).To(Succeed())
			}
			for i := range pods.Items {
				g.Expect(client.IgnoreNotFound(p.Client.Delete(ctx, &pods.Items[i], client.GracePeriodSeconds(1)))).To(Succeed())
			}
			g.Expect(len(deployments.Items) + len(replicas.Items) + len(pods.Items)).To(BeZero())
		}).Should(Succeed())
		Expect(p.Client.Delete(ctx, ns)).To(Succeed())
		isGone(ctx, ns.Name)
	})
	Expect(p.Client.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: publisher}})).To(Succeed())
	return ns.Name
}

// shop is a stream that drains fast.
func shop(namespace string) *v1alpha1.EventStream {
	return &v1alpha1.EventStream{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shop"},
		Spec: v1alpha1.EventStreamSpec{
			Topics: []v1alpha1.Topic{{Name: "orders"}},
			Drain:  v1alpha1.Drain{Window: "1s"},
			Auth:   &v1alpha1.Auth{Subscribers: &v1alpha1.SubscriberAuth{Anonymous: &v1alpha1.Anonymous{}}},
		},
	}
}

// serving makes the stream shop in a namespace of its own and waits until it is Ready.
func serving(ctx context.Context, change ...func(*v1alpha1.EventStreamSpec)) *stream {
	GinkgoHelper()
	return carriedOut(ctx, shop(newNamespace(ctx)), change...)
}

// carriedOut creates a stream and waits until it is Ready.
func carriedOut(ctx context.Context, o *v1alpha1.EventStream, change ...func(*v1alpha1.EventStreamSpec)) *stream {
	GinkgoHelper()
	for _, f := range change {
		f(&o.Spec)
	}
	Expect(p.Client.Create(ctx, o)).To(Succeed())
	s := &stream{key: client.ObjectKeyFromObject(o)}
	s.connect(ctx)
	return s
}

// connect waits until the stream is Ready and its Services take connections, and finds out where its clients go.
func (s *stream) connect(ctx context.Context) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, suite.Patience)
	defer cancel()
	status := s.ready(ctx).Status
	var err error
	s.subscribe, err = p.SubscribeURL(ctx, s.key)
	Expect(err).NotTo(HaveOccurred())
	s.publish, err = p.PublishURL(ctx, s.key)
	Expect(err).NotTo(HaveOccurred())
	s.token, err = p.Token(ctx, s.key.Namespace, publisher, status.Address.Audience)
	Expect(err).NotTo(HaveOccurred())
}

func (s *stream) ready(ctx context.Context) *v1alpha1.EventStream {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, suite.Patience)
	defer cancel()
	o, err := p.Ready(ctx, s.key)
	Expect(err).NotTo(HaveOccurred())
	return o
}

func (s *stream) now(ctx context.Context) *v1alpha1.EventStream {
	GinkgoHelper()
	return get(ctx, s.key, &v1alpha1.EventStream{})
}

// change changes the spec as its author would.
func (s *stream) change(ctx context.Context, f func(*v1alpha1.EventStreamSpec)) *v1alpha1.EventStream {
	GinkgoHelper()
	o := &v1alpha1.EventStream{}
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := p.Client.Get(ctx, s.key, o); err != nil {
			return err
		}
		f(&o.Spec)
		return p.Client.Update(ctx, o)
	})).To(Succeed())
	return o
}

// condition waits until a condition of the newest spec has a status and a reason, and returns its message.
func (s *stream) condition(ctx context.Context, kind, status, reason string) (message string) {
	GinkgoHelper()
	Eventually(func() string {
		o := s.now(ctx)
		c := meta.FindStatusCondition(o.Status.Conditions, kind)
		if c == nil || c.ObservedGeneration != o.Generation {
			return ""
		}
		message = c.Message
		return string(c.Status) + "/" + c.Reason
	}).Should(Equal(status+"/"+reason), kind)
	return message
}

func (s *stream) child(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.key.Namespace, Name: name}
}

// children are the objects that belong to the stream, by kind and name.
func (s *stream) children() map[string]client.Object {
	hub, name := render.HubName(s.key.Name), s.key.Name
	meta := func(n string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: s.key.Namespace, Name: n}
	}
	return map[string]client.Object{
		"ServiceAccount":    &corev1.ServiceAccount{ObjectMeta: meta(hub)},
		"ConfigMap":         &corev1.ConfigMap{ObjectMeta: meta(hub)},
		"Deployment":        &appsv1.Deployment{ObjectMeta: meta(hub)},
		"hub Service":       &corev1.Service{ObjectMeta: meta(hub)},
		"subscribe Service": &corev1.Service{ObjectMeta: meta(render.SubscribeName(name))},
		"publish Service":   &corev1.Service{ObjectMeta: meta(render.PublishName(name))},
	}
}

// pods are the hub's, also those on their way out.
func (s *stream) pods(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	pods := &corev1.PodList{}
	Expect(p.Client.List(ctx, pods, client.InNamespace(s.key.Namespace), client.MatchingLabels(render.Selector(s.key.Name)))).To(Succeed())
	return pods.Items
}

// hub is the stream's only pod.
func (s *stream) hub(ctx context.Context) *corev1.Pod {
	GinkgoHelper()
	pods := s.pods(ctx)
	Expect(pods).To(HaveLen(1))
	return &pods[0]
}

// run names one run of the hub's process.
func run(pod *corev1.Pod) string {
	return string(pod.UID) + "/" + pod.Status.ContainerStatuses[0].ContainerID
}

// post publishes with a token, and returns status and body.
func (s *stream) post(ctx context.Context, token, topic, data string) (int, string) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.publish+"/v1/topics/"+topic, bytes.NewBufferString(data))
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := (&http.Client{Transport: s.by()}).Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	return answer.StatusCode, string(body)
}

// by is how the stream's clients connect, each time anew.
func (s *stream) by() http.RoundTripper {
	if s.transport != nil {
		return s.transport
	}
	return &http.Transport{DisableKeepAlives: true, DisableCompression: true}
}

// send publishes to orders, and must be let.
func (s *stream) send(ctx context.Context, data string) {
	GinkgoHelper()
	status, body := s.post(ctx, s.token, "orders", data)
	Expect(status).To(Equal(http.StatusOK), body)
}

// reader is a connection to the topic orders.
type reader struct {
	*sse.Stream
	// first is runnel-open, and resume what it said.
	first  sse.Event
	resume string
}

// read connects, behind the event of an id if there is one.
func (s *stream) read(ctx context.Context, id string, headers ...sse.Header) *reader {
	GinkgoHelper()
	r, err := s.tryRead(ctx, id, headers...)
	Expect(err).NotTo(HaveOccurred())
	return r
}

func (s *stream) tryRead(ctx context.Context, id string, headers ...sse.Header) (*reader, error) {
	// The connection outlives ctx, which may be that of one try; the spec's end closes it.
	c, err := sse.OpenBy(context.WithoutCancel(ctx), s.by(), s.subscribe+"/v1/topics/orders/events", append(headers, sse.LastEventID(id))...)
	if err != nil {
		return nil, err
	}
	DeferCleanup(c.Close)
	r := &reader{Stream: c}
	e, err := c.Next(ctx)
	if err != nil {
		return nil, err
	}
	var open struct{ Resume string }
	if err := json.Unmarshal([]byte(e.Data), &open); err != nil || e.Type != "runnel-open" {
		return nil, &sse.StatusError{Status: http.StatusOK, ContentType: e.Type, Body: e.Data}
	}
	r.first, r.resume = e, open.Resume
	return r, nil
}

// readAgain connects as a browser does that has lost its connection: until it is let in.
func (s *stream) readAgain(ctx context.Context, id string) (r *reader) {
	GinkgoHelper()
	Eventually(func() (err error) {
		r, err = s.tryRead(ctx, id)
		return err
	}).Should(Succeed())
	return r
}

// next is the next event, or the test fails.
func (r *reader) next(ctx context.Context) sse.Event {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, suite.Patience)
	defer cancel()
	e, err := r.Next(ctx)
	Expect(err).NotTo(HaveOccurred())
	return e
}

// receives is the data of the next event.
func (r *reader) receives(ctx context.Context) string {
	GinkgoHelper()
	return r.next(ctx).Data
}
