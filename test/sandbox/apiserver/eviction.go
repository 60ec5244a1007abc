package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apiserver/pkg/registry/rest"
)

// evictionREST serves pods/eviction. It weighs each budget against the pods as they are at the request; a real cluster
// has a controller that writes the weighed figures into the budget's status.
type evictionREST struct {
	pods, budgets *resource
	mu            sync.Mutex // one eviction at a time, so that two cannot both take a budget's last pod
}

func (r *evictionREST) New() runtime.Object   { return &policyv1.Eviction{} }
func (r *evictionREST) Destroy()              {}
func (r *evictionREST) NamespaceScoped() bool { return true }

func (r *evictionREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return policyv1.SchemeGroupVersion.WithKind("Eviction")
}

// Create implements rest.NamedCreater.
func (r *evictionREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, o *metav1.CreateOptions) (runtime.Object, error) {
	e, ok := obj.(*policyv1.Eviction)
	if !ok {
		return nil, apierrors.NewBadRequest("send an Eviction of policy/v1")
	}
	if validate != nil {
		if err := validate(ctx, e.DeepCopy()); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	found, err := r.pods.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if pod := found.(*corev1.Pod); pod.DeletionTimestamp == nil && !finished(pod) {
		if err := r.allowed(ctx, pod); err != nil {
			return nil, err
		}
	}
	options := e.DeleteOptions
	if options == nil {
		options = &metav1.DeleteOptions{}
	}
	options = options.DeepCopy()
	options.DryRun = append(options.DryRun, o.DryRun...)
	if _, _, err := r.pods.Delete(ctx, name, rest.ValidateAllObjectFunc, options); err != nil {
		return nil, err
	}
	return &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusCreated}, nil
}

// allowed fails when a budget cannot spare the pod. A pod that is not ready harms no budget.
func (r *evictionREST) allowed(ctx context.Context, pod *corev1.Pod) error {
	list, err := r.budgets.List(ctx, &internalversion.ListOptions{})
	if err != nil {
		return err
	}
	for _, b := range list.(*policyv1.PodDisruptionBudgetList).Items {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(pod.Labels)) || !ready(pod) {
			continue
		}
		pods, err := r.pods.List(ctx, &internalversion.ListOptions{LabelSelector: selector})
		if err != nil {
			return err
		}
		healthy, needed := weigh(&b, pods.(*corev1.PodList).Items)
		if healthy > needed {
			continue
		}
		refused := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		refused.ErrStatus.Details.Causes = append(refused.ErrStatus.Details.Causes, metav1.StatusCause{
			Type:    policyv1.DisruptionBudgetCause,
			Message: fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently", b.Name, needed, healthy),
		})
		return refused
	}
	return nil
}

// weigh counts the healthy pods of a budget, and those that it needs.
func weigh(b *policyv1.PodDisruptionBudget, pods []corev1.Pod) (healthy, needed int) {
	expected := 0
	for _, p := range pods {
		if finished(&p) {
			continue
		}
		expected++
		if p.DeletionTimestamp == nil && ready(&p) {
			healthy++
		}
	}
	share := func(v *intstr.IntOrString) int {
		n, err := intstr.GetScaledValueFromIntOrPercent(v, expected, true)
		if err != nil {
			return expected // validation refuses such a budget
		}
		return n
	}
	switch {
	case b.Spec.MinAvailable != nil:
		return healthy, share(b.Spec.MinAvailable)
	case b.Spec.MaxUnavailable != nil:
		return healthy, max(0, expected-share(b.Spec.MaxUnavailable))
	}
	return healthy, max(0, expected-1) // a budget that says nothing allows one
}

func finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
