package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/issuer"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

const (
	// conflictWait is the time between two looks whether somebody's object still has a child's name: the cache does not see it.
	// With the look itself, a conflict ends within 5 s of that object.
	conflictWait = 3 * time.Second
	// leftoverWait is the same for what the garbage collector is about to take.
	leftoverWait = 2 * time.Second
	// refusedWait is the time until a child is applied again that the API server has refused. Quotas, policies and rights change
	// without the operator's notice.
	refusedWait = 5 * time.Second
	// lookPause keeps the looks at streams in such states apart, however many somebody makes: 25 a second, each with up to 6 requests
	// for metadata. So 75 conflicts are seen to end in time, and 10,000 streams beyond a quota are tried every 7 minutes.
	lookPause = 40 * time.Millisecond
	// longestBackOff is the longest time between two tries after another error.
	longestBackOff = 30 * time.Second
)

// Reconciler carries out EventStreams. Make one with its exported fields set and call SetupWithManager.
type Reconciler struct {
	// Client writes, and reads from the manager's cache, which must be made with CacheOptions.
	Client client.Client
	// Applier applies children.
	Applier *apply.Applier
	// Issuers says who issues the cluster's tokens.
	Issuers interface{ State() issuer.State }
	// Hubs asks hubs what they run.
	Hubs HubReader
	// Recorder records transitions as events.
	Recorder events.EventRecorder
	// Counters count what is done; nil does not.
	Counters *Counters
	// HubImage is what new hubs run. A stream that has one keeps its own, unless its policy is to follow.
	HubImage string
	// ImagePolicy is that of streams which say none; empty is Pinned.
	ImagePolicy v1alpha1.ImagePolicy
	// ConcurrentUpgrades is how many streams roll to another HubImage at a time at most; 0 lets none roll.
	ConcurrentUpgrades int
	// ClusterDomain ends the names of Services, without a leading dot.
	ClusterDomain string

	// additions to configurations that this operator knows.
	additions config.Additions

	known    tracker
	upgrades upgrades

	// working is held for reading by each reconciliation.
	working sync.RWMutex
	// stopped: no stream is reconciled any more. Guarded by working.
	stopped bool
}

// The least that is needed. There is no verb for Secrets, and pods cannot be patched: pods/status lets nobody change a pod's spec.
//
// +kubebuilder:rbac:groups=runnel.dev,resources=eventstreams,verbs=get;list;watch
// +kubebuilder:rbac:groups=runnel.dev,resources=eventstreams/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=configmaps;serviceaccounts;services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// Reconcile brings one stream from its spec to its status.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	r.working.RLock()
	defer r.working.RUnlock()
	if r.stopped {
		return reconcile.Result{}, nil // another operator may lead
	}
	stream := &v1alpha1.EventStream{}
	if err := r.Client.Get(ctx, req.NamespacedName, stream); err != nil {
		if apierrors.IsNotFound(err) {
			r.known.forget(req.NamespacedName)
			r.upgrades.release(req.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !stream.DeletionTimestamp.IsZero() {
		r.upgrades.release(req.NamespacedName)
		return reconcile.Result{}, nil // owner references delete what belongs to it
	}
	r.known.of(req.NamespacedName).written.newest(stream)
	v := &view{stream: stream, clusterDomain: r.ClusterDomain}
	if err := errors.Join(r.readDeployment(ctx, v), r.readPods(ctx, v)); err != nil {
		return reconcile.Result{}, err
	}
	if !stream.Spec.Suspend {
		wait, err := r.carryOut(ctx, v)
		if err != nil || wait {
			return reconcile.Result{}, err
		}
	}
	if !v.applied {
		r.upgrades.release(req.NamespacedName)
		// What was applied last may be newer than the status, which was not written in time.
		if err := r.readConfigHash(ctx, v); err != nil {
			return reconcile.Result{}, err
		}
	}
	again, err := r.observe(ctx, v)
	if err != nil {
		return reconcile.Result{}, err
	}
	if r.outgrown(v) {
		again = shorter(again, firstRenewal)
	}
	if !v.takingUp() {
		if err := r.writeStatus(ctx, v); err != nil {
			return reconcile.Result{}, err
		}
	}
	return reconcile.Result{RequeueAfter: r.lookAgain(v, again)}, nil
}

// Stop has no further stream reconciled, and waits until none is. It reports whether that was so within the timeout; if not, it becomes
// so as soon as the last reconciliation ends.
func (r *Reconciler) Stop(timeout time.Duration) bool {
	idle := make(chan struct{})
	go func() {
		r.working.Lock() // from here on, new reconciliations wait
		defer r.working.Unlock()
		r.stopped = true
		close(idle)
	}()
	select {
	case <-idle:
		return true
	case <-time.After(timeout):
		return false
	}
}

// lookAgain returns how soon the stream is looked at again although no watch tells of a change; 0 is never.
func (r *Reconciler) lookAgain(v *view, again time.Duration) time.Duration {
	var conflict *apply.ConflictError
	var leftover *apply.LeftoverError
	var invalid *render.InvalidError
	stream, wait := client.ObjectKeyFromObject(v.stream), refusedWait
	switch {
	case v.problem == nil, errors.As(v.problem, &invalid): // only a new spec helps against the latter, and that is watched
		r.known.watched(stream)
		return again
	case errors.As(v.problem, &conflict):
		wait = conflictWait
	case errors.As(v.problem, &leftover):
		wait = leftoverWait
	}
	return shorter(again, max(wait, time.Duration(r.known.unwatched(stream))*lookPause))
}

// writeStatus writes the status if it changed, and records what that means as events.
func (r *Reconciler) writeStatus(ctx context.Context, v *view) error {
	status := v.status(metav1.Now())
	if sameStatus(&v.stream.Status, &status) {
		return nil
	}
	document := statusConfiguration(v.stream, &status)
	err := r.Client.Status().Apply(ctx, document, apply.FieldOwner, client.ForceOwnership)
	if apierrors.IsNotFound(err) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	r.known.of(client.ObjectKeyFromObject(v.stream)).written.wrote(document, &status)
	logTransitions(ctx, v.stream.Status.Conditions, status.Conditions)
	for _, t := range transitions(v.stream.Status.Conditions, status.Conditions) {
		r.Recorder.Eventf(v.stream, nil, t.kind, t.reason, eventAction, "%s", t.message)
	}
	return nil
}

func shorter(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}
