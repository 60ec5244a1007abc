package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// rolloutIndex finds in the cache the Deployments that are replacing their pods, by the image that they bring.
const rolloutIndex = "runnel.dev/rollout"

// imageAnnotation of a hub's Deployment is the image that the operator gave it. It is not read off the container, which somebody
// may have changed.
const imageAnnotation = "runnel.dev/image"

// image returns what the stream's hub shall run: the image that is pinned, and the operator's for a hub that never was available, or
// when the stream follows the operator and it is its turn.
func (r *Reconciler) image(ctx context.Context, v *view) (string, error) {
	key := client.ObjectKeyFromObject(v.stream)
	if v.pin == "" {
		r.upgrades.release(key)
		return r.HubImage, nil
	}
	switch {
	case v.pin == r.HubImage:
		return v.pin, nil
	case r.policy(v) != v1alpha1.ImageFollowOperator:
		r.upgrades.release(key)
		return v.pin, nil
	}
	turn, err := r.upgrades.turn(ctx, r.Client, key, r.HubImage, r.ConcurrentUpgrades)
	if err != nil || !turn {
		return v.pin, err
	}
	return r.HubImage, nil
}

// policy returns the policy of the stream's image.
func (r *Reconciler) policy(v *view) v1alpha1.ImagePolicy {
	return cmp.Or(v.stream.Spec.ImagePolicy, r.ImagePolicy)
}

// pinOf returns the image that a Deployment pins; empty if no hub of it ever was available, since an image with a typo is not to stay.
func pinOf(d *appsv1.Deployment) string {
	if !wasAvailable(d) {
		return ""
	}
	return cmp.Or(d.Annotations[imageAnnotation], hubImage(d))
}

// wasAvailable reports whether a hub of the Deployment is available or was: the Deployment controller keeps in a condition that the
// newest pod template has been available. A hub of the template before goes on until then.
func wasAvailable(d *appsv1.Deployment) bool {
	return d.Status.ReadyReplicas > 0 || slices.ContainsFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentProgressing && c.Reason == newReplicaSetAvailable
	})
}

func hubImage(d *appsv1.Deployment) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		if c.Name == render.HubContainer {
			return c.Image
		}
	}
	return ""
}

// upgrades has streams roll to another image in turn. How many do is read from their Deployments; remembered is only what these
// do not show yet.
type upgrades struct {
	mu sync.Mutex
	// begun streams have had their turn, and the cache may not show it yet.
	begun map[types.NamespacedName]bool
	// waiting streams are reconciled when a turn may be theirs.
	waiting map[types.NamespacedName]bool
	// called streams were told that a turn may be theirs, and have not come yet.
	called map[types.NamespacedName]bool
	// free tells that a turn may be somebody's; nil tells nobody.
	free chan event.TypedGenericEvent[struct{}]
}

// turn says whether the stream may roll to the image now; at most so many do at a time. One that may not is reconciled again
// when another has rolled.
func (u *upgrades) turn(ctx context.Context, cache client.Reader, stream types.NamespacedName, image string, most int) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	rolling := map[types.NamespacedName]bool{}
	for other := range u.begun {
		d := &appsv1.Deployment{}
		err := cache.Get(ctx, client.ObjectKey{Namespace: other.Namespace, Name: render.HubName(other.Name)}, d, client.DisableReadYourWritesConsistency)
		switch {
		case err == nil && hubImage(d) == image: // it rolls and will be in the list, or has rolled
			delete(u.begun, other)
		case client.IgnoreNotFound(err) != nil:
			return false, fmt.Errorf("rollout of %s: %w", other, err)
		default:
			rolling[other] = true
		}
	}
	list := &appsv1.DeploymentList{} // read last: it then has whatever the cache has shown by now
	err := cache.List(ctx, list, client.MatchingFields{rolloutIndex: image},
		client.DisableReadYourWritesConsistency) // what was written is in begun
	if err != nil {
		return false, fmt.Errorf("rollouts under way: %w", err)
	}
	for i := range list.Items {
		rolling[deploymentStream(&list.Items[i])] = true
	}
	delete(u.called, stream)
	if !rolling[stream] && len(rolling) >= most {
		put(&u.waiting, stream)
		return false, nil
	}
	delete(u.waiting, stream)
	put(&u.begun, stream)
	return true, nil
}

// release gives up the stream's turn, or its place among those that wait.
func (u *upgrades) release(stream types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.waiting, stream)
	if !u.begun[stream] && !u.called[stream] {
		return
	}
	delete(u.begun, stream)
	delete(u.called, stream)
	select {
	case u.free <- event.TypedGenericEvent[struct{}]{}:
	default: // it is told already
	}
}

// next takes streams that wait for their turn. Those that do not get one wait again, and those that want none any more release it.
func (u *upgrades) next(most int) []reconcile.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	var requests []reconcile.Request
	for stream := range u.waiting {
		if len(requests) == most {
			break
		}
		delete(u.waiting, stream)
		put(&u.called, stream)
		requests = append(requests, reconcile.Request{NamespacedName: stream})
	}
	return requests
}

// UpgradesWaiting is the metric of how many streams wait for their turn to roll to the operator's image.
func (r *Reconciler) UpgradesWaiting() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "runnel_operator_upgrades_waiting",
		Help: "Streams that wait for their turn to run the operator's hub image.",
	}, func() float64 {
		r.upgrades.mu.Lock()
		defer r.upgrades.mu.Unlock()
		return float64(len(r.upgrades.waiting))
	})
}

// rollout is the value of rolloutIndex. A Deployment that is as it was made replaces nothing: new streams come all the time, and no
// upgrade would begin beside them. One that was paused by hand may stay so.
func rollout(o client.Object) []string {
	if d, ok := o.(*appsv1.Deployment); ok && isRolling(d) && d.Generation > 1 && !d.Spec.Paused {
		return []string{hubImage(d)}
	}
	return nil
}

// rolled tells that a Deployment takes no turn any more.
func rolled() predicate.Predicate {
	rolls := func(o client.Object) bool { return len(rollout(o)) > 0 }
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, isDeployment := e.ObjectOld.(*appsv1.Deployment)
			after, isDeploymentToo := e.ObjectNew.(*appsv1.Deployment)
			return isDeployment && isDeploymentToo && !rolls(after) && (rolls(before) || hubImage(before) != hubImage(after))
		},
		DeleteFunc: func(e event.DeleteEvent) bool { return rolls(e.Object) },
	}
}

func deploymentStream(d *appsv1.Deployment) types.NamespacedName {
	return types.NamespacedName{Namespace: d.Namespace, Name: d.Labels[render.LabelInstance]}
}

func put(set *map[types.NamespacedName]bool, stream types.NamespacedName) {
	if *set == nil {
		*set = map[types.NamespacedName]bool{}
	}
	(*set)[stream] = true
}
