package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/suite"
)

// delay is what the streams tell their readers to wait at least; the shortest that a spec may say.
const delay = v1alpha1.Duration("100ms")

// stream is an EventStream that is ready.
type stream struct {
	name                   string
	subscribeAt, publishAt string
	token                  string
	publishers             *http.Client
}

// newStream applies a stream that lets everybody read, and waits until it serves. Pages of home may read it, unless the spec says
// which may. It is deleted with the Ginkgo spec.
func newStream(ctx SpecContext, spec v1alpha1.EventStreamSpec) *stream {
	GinkgoHelper()
	spec.Auth = &v1alpha1.Auth{Subscribers: &v1alpha1.SubscriberAuth{Anonymous: &v1alpha1.Anonymous{}}}
	spec.Reconnect.Delay = delay
	if spec.CORS.AllowedOrigins == nil {
		spec.CORS.AllowedOrigins = []string{home}
	}
	object := &v1alpha1.EventStream{ObjectMeta: metav1.ObjectMeta{GenerateName: "stream-", Namespace: namespace}, Spec: spec}
	Expect(runnel.Client.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(runnel.Client.Delete(ctx, object)).To(Succeed()) })
	key := client.ObjectKeyFromObject(object)
	bounded, cancel := context.WithTimeout(ctx, suite.Patience)
	defer cancel()
	ready, err := runnel.Ready(bounded, key)
	Expect(err).NotTo(HaveOccurred())
	// A connection for each event: one that a dead hub left in a pool must fail no spec.
	s := &stream{name: object.Name, publishers: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	s.subscribeAt, err = runnel.SubscribeURL(bounded, key)
	Expect(err).NotTo(HaveOccurred())
	s.publishAt, err = runnel.PublishURL(bounded, key)
	Expect(err).NotTo(HaveOccurred())
	s.token, err = runnel.Token(bounded, namespace, "default", ready.Status.Address.Audience)
	Expect(err).NotTo(HaveOccurred())
	return s
}

// topics declares topics by their names.
func topics(names ...string) (out []v1alpha1.Topic) {
	for _, name := range names {
		out = append(out, v1alpha1.Topic{Name: name})
	}
	return out
}

// url is where a page reads topics of the stream.
func (s *stream) url(topics ...string) string {
	return s.subscribeAt + "/v1/events?" + url.Values{"topic": topics}.Encode()
}

// publish sends an event as the namespace's default ServiceAccount. An empty type is none. It waits for a hub, if there is none.
func (s *stream) publish(ctx context.Context, topic, kind, data string) browser.Event {
	GinkgoHelper()
	query := url.Values{}
	if kind != "" {
		query.Set("type", kind)
	}
	to := s.publishAt + "/v1/topics/" + topic + "?" + query.Encode()
	var response *http.Response
	Eventually(func() error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(data))
		Expect(err).NotTo(HaveOccurred())
		r.Header.Set("Authorization", "Bearer "+s.token)
		response, err = s.publishers.Do(r)
		// Readers may meet a new hub before publishers do: each has a Service of its own. What was refused was not stored.
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return StopTrying("the event may be stored or not").Wrap(err)
		}
		return err
	}).Should(Succeed())
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.StatusCode).To(Equal(http.StatusOK), "%s", body)
	var answer struct{ ID string }
	Expect(json.Unmarshal(body, &answer)).To(Succeed())
	return browser.Event{answer.ID, kind, data}
}

// read lets a page of home read topics, and waits until it may miss nothing any more.
func (s *stream) read(topics ...string) *browser.Page {
	GinkgoHelper()
	p := s.openPage(topics...)
	Eventually(p.Resumes).Should(Equal([]string{"live"}))
	return p
}

// openPage lets a page of home read topics.
func (s *stream) openPage(topics ...string) *browser.Page {
	GinkgoHelper()
	return chromium.Open(home, browser.Reads{URL: s.url(topics...)})
}

// cut resets the connections of all readers.
func (s *stream) cut() int {
	return runnel.Node.CutConnections(namespace, render.SubscribeName(s.name))
}

// accepted is the reason of the stream's condition Accepted, of its present spec.
func (s *stream) accepted(ctx context.Context) (string, error) {
	object := &v1alpha1.EventStream{}
	if err := runnel.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: s.name}, object); err != nil {
		return "", err
	}
	c := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionAccepted)
	if c == nil || c.ObservedGeneration != object.Generation {
		return "", nil
	}
	return c.Reason, nil
}

// kill crashes the hub.
func (s *stream) kill(ctx context.Context) {
	GinkgoHelper()
	pods := &corev1.PodList{}
	Expect(runnel.Client.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabels(render.Selector(s.name)))).To(Succeed())
	Expect(pods.Items).To(HaveLen(1))
	Expect(runnel.Node.Kill(namespace, pods.Items[0].Name)).To(Succeed())
}

// patch changes an object of the stream by a JSON merge patch.
func (s *stream) patch(ctx context.Context, object client.Object, name, format string, args ...any) {
	GinkgoHelper()
	object.SetNamespace(namespace)
	object.SetName(name)
	text := fmt.Sprintf(format, args...)
	Expect(runnel.Client.Patch(ctx, object, client.RawPatch("application/merge-patch+json", []byte(text)))).To(Succeed(), text)
}
