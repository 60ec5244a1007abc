package churn

import (
	"context"
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// NewCache makes a cache of streams, their children and their pods. It is to be started after Watch.
func NewCache(c *rest.Config, scheme *runtime.Scheme) (cache.Cache, error) {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{render.LabelManagedBy: render.ManagedBy})}
	return cache.New(c, cache.Options{
		Scheme: scheme, DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.ServiceAccount{}: ours, &corev1.ConfigMap{}: ours, &corev1.Service{}: ours, &appsv1.Deployment{}: ours, &corev1.Pod{}: ours,
		},
	})
}

// Pods is told of pods.
type Pods interface {
	Changed(ctx context.Context, pod *corev1.Pod)
	Gone(pod *corev1.Pod)
}

// Watch has the tracker told of all streams and children that the cache sees, and pods of theirs.
func (t *Tracker) Watch(ctx context.Context, c cache.Cache, pods Pods) error {
	for _, kind := range []client.Object{
		&v1alpha1.EventStream{}, &corev1.ServiceAccount{}, &corev1.ConfigMap{}, &corev1.Service{}, &appsv1.Deployment{}, &corev1.Pod{},
	} {
		informer, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watch %T: %w", kind, err)
		}
		changed := func(o any) { t.object(ctx, o, pods, time.Now()) }
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    changed,
			UpdateFunc: func(_, o any) { changed(o) },
			DeleteFunc: func(o any) {
				if last, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
					o = last.Obj
				}
				switch gone := o.(type) {
				case *corev1.Pod:
					pods.Gone(gone)
				case *v1alpha1.EventStream:
					t.Deleted(client.ObjectKeyFromObject(gone))
				}
			},
		})
		if err != nil {
			return fmt.Errorf("watch %T: %w", kind, err)
		}
	}
	return nil
}

func (t *Tracker) object(ctx context.Context, o any, pods Pods, now time.Time) {
	switch o := o.(type) {
	case *v1alpha1.EventStream:
		c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady)
		ready := c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == o.Generation
		t.Status(client.ObjectKeyFromObject(o), o.Generation, ready, now)
	case *corev1.Pod:
		pods.Changed(ctx, o)
	case *corev1.ConfigMap:
		mark := ""
		if c, err := config.Decode([]byte(o.Data[render.ConfigKey])); err == nil {
			mark = strconv.Itoa(c.Limits.ConnectionsPerHub)
		}
		t.child(o, Want{Kind: "ConfigMap", Mark: mark}, now)
	case *appsv1.Deployment:
		t.child(o, Want{Kind: "Deployment", Mark: o.Spec.Template.Annotations[Mark]}, now)
	case *corev1.Service:
		t.child(o, Want{Kind: "Service"}, now)
	case *corev1.ServiceAccount:
		t.child(o, Want{Kind: "ServiceAccount"}, now)
	}
}

func (t *Tracker) child(o client.Object, w Want, now time.Time) {
	owner := metav1.GetControllerOfNoCopy(o)
	if owner == nil {
		return
	}
	w.Name = o.GetName()
	t.Seen(types.NamespacedName{Namespace: o.GetNamespace(), Name: owner.Name}, w, now)
}
