package controllers

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// journal is an API server that answers creations of events with errors first, one after the other.
type journal struct {
	client.Client
	mu     sync.Mutex
	errors []error
	asked  int
}

func newJournal(g Gomega, errors ...error) *journal {
	s := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(s)).To(Succeed())
	g.Expect(eventsv1.AddToScheme(s)).To(Succeed())
	j := &journal{errors: errors}
	j.Client = fake.NewClientBuilder().WithScheme(s).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.asked++
			if len(j.errors) > 0 {
				err := j.errors[0]
				j.errors = j.errors[1:]
				return err
			}
			return c.Create(ctx, o, opts...)
		},
	}).Build()
	return j
}

func (j *journal) events(g Gomega) []eventsv1.Event {
	list := &eventsv1.EventList{}
	g.Expect(j.List(context.Background(), list)).To(Succeed())
	return list.Items
}

// start starts the writer until the test ends.
func start(t *testing.T, w *EventWriter) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

var shop = &v1alpha1.EventStream{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "shop", UID: "u"}}

func TestEventsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		// It cannot be reached at first, and is busy then.
		j := newJournal(g, context.DeadlineExceeded, apierrors.NewTooManyRequests("later", 1))
		w := NewEventWriter(j, "runnel-0")
		w.Eventf(shop, nil, corev1.EventTypeWarning, "NameConflict", "Reconcile", "%s is not this stream's", "Service shop-hub")
		start(t, w)
		time.Sleep(2 * eventRetry)
		synctest.Wait()
		g.Expect(j.events(g)).To(HaveLen(1))
		e := j.events(g)[0]
		g.Expect(e.Regarding).To(Equal(corev1.ObjectReference{APIVersion: "runnel.dev/v1alpha1", Kind: "EventStream", Namespace: "team-a", Name: "shop", UID: "u"}))
		g.Expect(e.Namespace).To(Equal("team-a"))
		g.Expect(e.Note).To(Equal("Service shop-hub is not this stream's"))
		g.Expect([]string{e.Type, e.Reason, e.Action, e.ReportingController, e.ReportingInstance}).To(
			Equal([]string{"Warning", "NameConflict", "Reconcile", "runnel", "runnel-0"}))
	})
}

func TestRefusedEventsDoNotComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "shop", nil)
		j := newJournal(g, forbidden, forbidden, forbidden, forbidden)
		w := NewEventWriter(j, "runnel-0")
		start(t, w)
		for range 5 {
			w.Eventf(shop, nil, corev1.EventTypeNormal, "Available", "Reconcile", "the hub is ready")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		g.Expect(j.events(g)).To(HaveLen(1))
		g.Expect(j.asked).To(Equal(5))
	})
}

func TestEventsThatNobodyTakesKeepNobodyWaiting(t *testing.T) {
	g := NewWithT(t)
	j := newJournal(g)
	w := NewEventWriter(j, "runnel-0")
	for range waitingEvents + 10 { // it would hang here
		w.Eventf(shop, nil, corev1.EventTypeNormal, "Available", "Reconcile", "the hub is ready")
	}
	g.Expect(w.waiting).To(HaveLen(waitingEvents))
}
