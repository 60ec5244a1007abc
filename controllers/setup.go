package controllers

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/issuer"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// hubIndex finds the pods of a stream in the cache by the stream's name.
const hubIndex = "runnel.dev/hub"

// CacheOptions are those of the cache that a Reconciler reads from. It holds only what has the operator's label, and of that what
// is read; to read a kind that is not watched is an error. No namespaces means all of them.
func CacheOptions(namespaces []string) cache.Options {
	ours := labels.SelectorFromSet(labels.Set{render.LabelManagedBy: render.ManagedBy})
	o := cache.Options{
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            newDiet().object,
		ByObject:                    map[client.Object]cache.ByObject{&corev1.Pod{}: {Label: ours}},
	}
	for _, kind := range apply.Kinds() {
		o.ByObject[kind] = cache.ByObject{Label: ours}
	}
	for _, ns := range namespaces {
		if o.DefaultNamespaces == nil {
			o.DefaultNamespaces = map[string]cache.Config{}
		}
		o.DefaultNamespaces[ns] = cache.Config{}
	}
	return o
}

// SetupWithManager has the manager call Reconcile when a stream, one of its children or pods, or the cluster's issuer keys
// change; changed tells the last.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, changed <-chan event.TypedGenericEvent[issuer.State], concurrent int) error {
	if err := apply.Index(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, hubIndex, hubStream); err != nil {
		return fmt.Errorf("index of pods: %w", err)
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &appsv1.Deployment{}, rolloutIndex, rollout); err != nil {
		return fmt.Errorf("index of Deployments: %w", err)
	}
	r.additions = config.Added()
	r.upgrades.free = make(chan event.TypedGenericEvent[struct{}], 1)
	b := ctrl.NewControllerManagedBy(mgr).
		// A status is written by the operator alone: only a new spec is news.
		For(&v1alpha1.EventStream{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(podStream), builder.WithPredicates(podNews())).
		WatchesRawSource(source.Channel(changed, handler.TypedEnqueueRequestsFromMapFunc(r.everyStream))).
		Watches(&appsv1.Deployment{}, handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
			return r.upgrades.next(r.ConcurrentUpgrades)
		}), builder.WithPredicates(rolled())).
		WatchesRawSource(source.Channel(r.upgrades.free, handler.TypedEnqueueRequestsFromMapFunc(func(context.Context, struct{}) []reconcile.Request {
			return r.upgrades.next(r.ConcurrentUpgrades)
		}))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent, RateLimiter: backOff()})
	for _, kind := range apply.Kinds() {
		b.Owns(kind)
	}
	return b.Complete(r)
}

// backOff limits the retries of failed reconciliations as controller-runtime does by default: 10 a second for all streams, and a delay
// that doubles for each stream. The delay ends at longestBackOff, since people do not wait for the default of 16 minutes.
func backOff() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedMaxOfRateLimiter(
		workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Millisecond, longestBackOff),
		&workqueue.TypedBucketRateLimiter[reconcile.Request]{Limiter: rate.NewLimiter(10, 100)},
	)
}

// hubStream is the name of the stream that a pod is a hub of.
func hubStream(o client.Object) []string {
	if name := o.GetLabels()[render.LabelInstance]; name != "" {
		return []string{name}
	}
	return nil
}

// podStream finds a pod's stream by its label, since its owner is a ReplicaSet, which the operator need not know of.
func podStream(_ context.Context, o client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range hubStream(o) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}})
	}
	return requests
}

// podNews leaves out changes that say nothing of a hub, among them the operator's own nudges.
func podNews() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, isPod := e.ObjectOld.(*corev1.Pod)
		after, isPodToo := e.ObjectNew.(*corev1.Pod)
		return !isPod || !isPodToo ||
			before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
			!equality.Semantic.DeepEqual(before.Status, after.Status)
	}}
}

// everyStream is told when all configurations may have to be written anew.
func (r *Reconciler) everyStream(ctx context.Context, _ issuer.State) []reconcile.Request {
	list := &v1alpha1.EventStreamList{}
	if err := r.Client.List(ctx, list); err != nil {
		// Possible only before the cache knows streams at all: each is then reconciled for the first time afterwards.
		log.FromContext(ctx).Error(err, "Streams could not be listed")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}
