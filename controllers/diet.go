package controllers

import (
	"encoding/json"
	"hash/maphash"
	"maps"
	"reflect"
	"slices"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

const (
	// sharedValues is how many values are shared at most. A stream has one map of labels and one selector of its own, and
	// the rest is common to all, so 10,000 streams have place. An empty place takes 16 bytes.
	sharedValues = 1 << 15
	// sharedStrings is the same for strings of up to sharedLength bytes: the words of labels and conditions are far fewer, and a name
	// that takes the place of one gives it back at the next.
	sharedStrings = 1 << 12
	sharedLength  = 256
)

// diet makes the objects of a cache smaller: it takes away what the operator does not read, and lets equal parts of many objects
// be one and the same in memory. It may, since nobody changes an object that is in a cache: a Get or List copies it.
//
// What is applied to a child stays, because the cached object is compared with it.
type diet struct {
	seed maphash.Seed

	mu sync.Mutex // guards what follows
	// By hash; one that meets another takes its place, so that what is gone does not stay for ever.
	strings []string
	values  []any
}

func newDiet() *diet {
	return &diet{seed: maphash.MakeSeed(), strings: make([]string, sharedStrings), values: make([]any, sharedValues)}
}

// object is a transform of a cache. It is called by many at once, and may be called twice for an object: it writes to no part that others
// share.
func (d *diet) object(o any) (any, error) {
	m, err := meta.Accessor(o)
	if err != nil {
		return o, nil // a tombstone, whose object has been here before
	}
	switch o := o.(type) {
	case *corev1.Pod:
		podMetadata(o)
	case *v1alpha1.EventStream:
		o.Annotations = nil // they are somebody else's
	}
	d.metadata(m)
	switch o := o.(type) {
	case *v1alpha1.EventStream:
		d.conditions(o.Status.Conditions)
	case *corev1.Pod:
		d.pod(o)
	case *corev1.Service:
		d.service(o)
	case *appsv1.Deployment:
		d.deployment(o)
	}
	return o, nil
}

// metadata is what each object has.
func (d *diet) metadata(m metav1.Object) {
	m.SetManagedFields(nil)
	if a := m.GetAnnotations(); a[corev1.LastAppliedConfigAnnotation] != "" {
		delete(a, corev1.LastAppliedConfigAnnotation) // the whole object once more
		m.SetAnnotations(a)
	}
	m.SetAnnotations(d.texts(m.GetAnnotations()))
	m.SetLabels(d.words(m.GetLabels()))
	m.SetNamespace(d.string(m.GetNamespace()))
	owners := slices.Clone(m.GetOwnerReferences())
	for i := range owners {
		owners[i].APIVersion, owners[i].Kind = d.string(owners[i].APIVersion), d.string(owners[i].Kind)
	}
	m.SetOwnerReferences(share(d, owners))
}

func (d *diet) conditions(all []metav1.Condition) {
	for i := range all {
		c := &all[i]
		c.Type, c.Reason, c.Message = d.string(c.Type), d.string(c.Reason), d.string(c.Message)
		c.Status = metav1.ConditionStatus(d.string(string(c.Status)))
	}
}

// podMetadata leaves a pod the labels that it shares with its stream's other objects. It is known by them, not by its ReplicaSet.
func podMetadata(p *corev1.Pod) {
	p.Labels = maps.Clone(p.Labels) // which others share after a first transform
	delete(p.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	p.GenerateName, p.OwnerReferences, p.Annotations = "", nil, nil
}

// pod keeps no spec, and of the status what hubs are judged by.
func (d *diet) pod(p *corev1.Pod) {
	p.Spec = corev1.PodSpec{}
	s := p.Status
	p.Status = corev1.PodStatus{Phase: corev1.PodPhase(d.string(string(s.Phase))), PodIP: s.PodIP}
	for _, c := range s.Conditions {
		if c.Type == corev1.PodReady || c.Type == corev1.PodScheduled {
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
				Type: corev1.PodConditionType(d.string(string(c.Type))), Status: corev1.ConditionStatus(d.string(string(c.Status))), Reason: d.string(c.Reason), Message: d.string(c.Message),
			})
		}
	}
	p.Status.Conditions = share(d, p.Status.Conditions)
	for _, c := range s.ContainerStatuses {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: d.string(c.Name), Image: d.string(c.Image), State: c.State, LastTerminationState: c.LastTerminationState,
			Ready: c.Ready, RestartCount: c.RestartCount, ContainerID: c.ContainerID,
		})
	}
}

// service keeps what is applied, and the address.
func (d *diet) service(s *corev1.Service) {
	s.Spec.Selector = d.words(s.Spec.Selector)
	s.Spec.ClusterIPs, s.Spec.IPFamilies = nil, nil // the one address once more
	s.Spec.Ports = share(d, s.Spec.Ports)
	s.Spec.InternalTrafficPolicy, s.Spec.IPFamilyPolicy = share(d, s.Spec.InternalTrafficPolicy), share(d, s.Spec.IPFamilyPolicy)
}

// deployment shares what most streams have alike.
func (d *diet) deployment(dep *appsv1.Deployment) {
	spec := &dep.Spec
	spec.Replicas, spec.RevisionHistoryLimit, spec.ProgressDeadlineSeconds =
		share(d, spec.Replicas), share(d, spec.RevisionHistoryLimit), share(d, spec.ProgressDeadlineSeconds)
	spec.Strategy.RollingUpdate = share(d, spec.Strategy.RollingUpdate)
	if spec.Selector != nil {
		spec.Selector.MatchLabels = d.words(spec.Selector.MatchLabels)
	}
	spec.Template.Labels = d.words(spec.Template.Labels)
	pod := &spec.Template.Spec
	pod.Containers = share(d, pod.Containers)
	pod.SecurityContext = share(d, pod.SecurityContext)
	pod.TerminationGracePeriodSeconds = share(d, pod.TerminationGracePeriodSeconds)
	pod.AutomountServiceAccountToken = share(d, pod.AutomountServiceAccountToken)
	pod.EnableServiceLinks = share(d, pod.EnableServiceLinks)
	pod.Affinity, pod.NodeSelector = share(d, pod.Affinity), d.words(pod.NodeSelector)
	pod.TopologySpreadConstraints = share(d, pod.TopologySpreadConstraints)
	// Of the conditions, the operator reads failures, and that the newest hub has been available. Other successes it reads from numbers.
	dep.Status.Conditions = slices.DeleteFunc(dep.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return (c.Status == corev1.ConditionTrue) == (c.Type != appsv1.DeploymentReplicaFailure) && c.Reason != newReplicaSetAvailable
	})
	for i, c := range dep.Status.Conditions {
		if c.Reason == newReplicaSetAvailable {
			dep.Status.Conditions[i] = appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: newReplicaSetAvailable}
		}
	}
	dep.Status.Conditions = share(d, dep.Status.Conditions)
	if len(dep.Status.Conditions) == 0 {
		dep.Status.Conditions = nil
	}
}

// words shares a map whose keys and values come again.
func (d *diet) words(m map[string]string) map[string]string { return share(d, d.texts(m)) }

// texts shares the strings of a map, which it makes anew.
func (d *diet) texts(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[d.string(k)] = d.string(v)
	}
	return out
}

// string returns an equal string that others have too.
func (d *diet) string(s string) string {
	if s == "" || len(s) > sharedLength {
		return s
	}
	place := maphash.String(d.seed, s) % sharedStrings
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.strings[place] != s {
		d.strings[place] = s
	}
	return d.strings[place]
}

// share returns an equal value that others have too. The value is not to be changed any more.
func share[T any](d *diet, value T) T {
	kind := reflect.ValueOf(value)
	if !kind.IsValid() || kind.IsZero() {
		return value
	}
	document, err := json.Marshal(value)
	if err != nil {
		return value
	}
	place := maphash.Bytes(d.seed, document) % sharedValues
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.values[place].(T); ok && equality.Semantic.DeepEqual(known, value) {
		return known
	}
	d.values[place] = value
	return value
}
