package apiserver

import (
	"context"
	"errors"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	rbacinformers "k8s.io/client-go/informers/rbac/v1"
	"k8s.io/client-go/kubernetes"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"
	"k8s.io/client-go/tools/cache"
)

// aggregator writes into each ClusterRole with an aggregation rule the rules of the roles that it selects.
type aggregator struct {
	client kubernetes.Interface
	lister rbaclisters.ClusterRoleLister
	work   *work[struct{}] // any change may concern any role, and there are few
}

func newAggregator(client kubernetes.Interface, roles rbacinformers.ClusterRoleInformer) (*aggregator, error) {
	a := &aggregator{client: client, lister: roles.Lister()}
	a.work = newWork(a.process)
	queue := func(any) { a.work.queue.Add(struct{}{}) }
	_, err := roles.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: queue, UpdateFunc: func(_, o any) { queue(o) }, DeleteFunc: queue,
	})
	return a, err
}

func (a *aggregator) run(ctx context.Context) { a.work.run(ctx, 1) }

func (a *aggregator) process(ctx context.Context, _ struct{}) error {
	roles, err := a.lister.List(labels.Everything())
	if err != nil {
		return err
	}
	slices.SortFunc(roles, func(x, y *rbacv1.ClusterRole) int { return strings.Compare(x.Name, y.Name) })
	var errs []error
	for _, r := range roles {
		want, ok := sum(r, roles)
		if !ok || apiequality.Semantic.DeepEqual(r.Rules, want) {
			continue
		}
		r = r.DeepCopy()
		r.Rules = want
		_, err := a.client.RbacV1().ClusterRoles().Update(ctx, r, metav1.UpdateOptions{})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// sum is what an aggregated role should hold; ok is false for a role of its own.
func sum(r *rbacv1.ClusterRole, all []*rbacv1.ClusterRole) (rules []rbacv1.PolicyRule, ok bool) {
	if r.AggregationRule == nil {
		return nil, false
	}
	for _, from := range all {
		if from.Name == r.Name || !selects(r.AggregationRule, from) {
			continue
		}
		for _, rule := range from.Rules {
			if !slices.ContainsFunc(rules, func(had rbacv1.PolicyRule) bool { return apiequality.Semantic.DeepEqual(had, rule) }) {
				rules = append(rules, rule)
			}
		}
	}
	return rules, true
}

func selects(a *rbacv1.AggregationRule, r *rbacv1.ClusterRole) bool {
	return slices.ContainsFunc(a.ClusterRoleSelectors, func(s metav1.LabelSelector) bool {
		selector, err := metav1.LabelSelectorAsSelector(&s)
		return err == nil && selector.Matches(labels.Set(r.Labels))
	})
}
