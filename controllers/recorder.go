package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/reference"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// eventController is who reports, in all events.
	eventController = "runnel"

	// waitingEvents is how many events wait at most for the API server, each with about a kilobyte; further ones are dropped.
	// It holds what 150 changes a second make in half a minute.
	waitingEvents = 4096
	// eventWriters is how many are written at a time: four that take 20 ms each are 200 a second.
	eventWriters = 4
	// eventRetry is the pause after the API server did not take an event for the time being.
	eventRetry = time.Second
)

// EventWriter records events, and writes them in the background. It is an events.EventRecorder and a Runnable of a manager. Unlike the
// client library's, it does not keep each event for six to twelve minutes to count its repetitions: transitions do not repeat, and
// 150 changes a second would be 100 MB of them.
type EventWriter struct {
	client   client.Client
	instance string
	waiting  chan *eventsv1.Event
}

// NewEventWriter makes an EventWriter that writes once it is started. The instance names this process; the client's scheme must
// know events.k8s.io and what events are about.
func NewEventWriter(c client.Client, instance string) *EventWriter {
	return &EventWriter{client: c, instance: instance, waiting: make(chan *eventsv1.Event, waitingEvents)}
}

// Eventf records an event about an object. It does not wait; what it cannot take it logs.
func (w *EventWriter) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	logger := log.Log.WithName("events").WithValues("reason", reason)
	about, err := reference.GetReference(w.client.Scheme(), regarding)
	if err != nil {
		logger.Error(err, "Event is about an unknown object")
		return
	}
	now := metav1.NowMicro()
	e := &eventsv1.Event{
		// As the client library names them: two events of an object have different times.
		ObjectMeta:          metav1.ObjectMeta{Namespace: about.Namespace, Name: fmt.Sprintf("%s.%x", about.Name, now.UnixNano())},
		EventTime:           now,
		ReportingController: eventController,
		ReportingInstance:   w.instance,
		Action:              action,
		Reason:              reason,
		Regarding:           *about,
		Note:                fmt.Sprintf(note, args...),
		Type:                kind,
	}
	if related != nil {
		if e.Related, err = reference.GetReference(w.client.Scheme(), related); err != nil {
			logger.Error(err, "Event is related to an unknown object")
			return
		}
	}
	select {
	case w.waiting <- e:
	default:
		logger.Info("Event is dropped: too many wait for the API server", "object", about.Namespace+"/"+about.Name)
	}
}

// Start writes events until the context ends. What waits then is lost.
func (w *EventWriter) Start(ctx context.Context) error {
	var writers sync.WaitGroup
	for range eventWriters {
		writers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case e := <-w.waiting:
					w.write(ctx, e)
				}
			}
		})
	}
	writers.Wait()
	return nil
}

// write tries until the API server has taken the event, or has said that it will not.
func (w *EventWriter) write(ctx context.Context, e *eventsv1.Event) {
	for {
		err := w.client.Create(ctx, e.DeepCopy())
		switch {
		case err == nil, apierrors.IsAlreadyExists(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
			return
		case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsNotFound(err):
			log.FromContext(ctx).Error(err, "Event is refused", "object", e.Regarding.Namespace+"/"+e.Regarding.Name, "reason", e.Reason)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(eventRetry):
		}
	}
}
