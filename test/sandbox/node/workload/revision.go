package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
)

// The annotations by which kubectl and the controller itself know a rollout; the names are Kubernetes' own.
const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	historyAnnotation  = "deployment.kubernetes.io/revision-history"
	desiredAnnotation  = "deployment.kubernetes.io/desired-replicas"
	maxAnnotation      = "deployment.kubernetes.io/max-replicas"
)

// ensureCurrent makes the ReplicaSet of the present template, empty, or gives the one that exists the next revision.
func (c *deployments) ensureCurrent(ctx context.Context, s *scope) error {
	if s.current == nil {
		if err := c.createCurrent(ctx, s); err != nil {
			return err
		}
	}
	return c.annotateCurrent(ctx, s)
}

// annotateCurrent numbers the revision: one more than the newest old one, which also is what `rollout undo` yields.
func (c *deployments) annotateCurrent(ctx context.Context, s *scope) error {
	if s.current == nil {
		return nil
	}
	next := nextRevision(s.old)
	rs, changed := s.current, false
	if now := revision(rs); now < next {
		if now > 0 {
			history := strings.FieldsFunc(rs.Annotations[historyAnnotation], func(r rune) bool { return r == ',' })
			annotate(rs, map[string]string{historyAnnotation: strings.Join(append(history, strconv.FormatInt(now, 10)), ",")})
		}
		changed = annotate(rs, map[string]string{revisionAnnotation: strconv.FormatInt(next, 10)})
	}
	if rs.Spec.MinReadySeconds != s.d.Spec.MinReadySeconds {
		rs.Spec.MinReadySeconds, changed = s.d.Spec.MinReadySeconds, true
	}
	if changed {
		updated, err := c.Client.AppsV1().ReplicaSets(rs.Namespace).Update(ctx, rs, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("revision of ReplicaSet %s: %w", rs.Name, err)
		}
		s.current = updated
	}
	noteFound(s)
	return c.numberDeployment(ctx, s)
}

func (c *deployments) createCurrent(ctx context.Context, s *scope) error {
	d := s.d
	hash := templateHash(&d.Spec.Template)
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: d.Name + "-" + hash, Namespace: d.Namespace,
			Labels:          withHash(d.Spec.Template.Labels, hash),
			Annotations:     inherited(d),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: new(int32), MinReadySeconds: d.Spec.MinReadySeconds,
			Selector: d.Spec.Selector.DeepCopy(), Template: *d.Spec.Template.DeepCopy(),
		},
	}
	rs.Spec.Template.Labels = withHash(rs.Spec.Template.Labels, hash)
	rs.Spec.Selector.MatchLabels = withHash(rs.Spec.Selector.MatchLabels, hash)
	annotate(rs, sizes(d))
	annotate(rs, map[string]string{revisionAnnotation: strconv.FormatInt(nextRevision(s.old), 10)})
	made, err := c.Client.AppsV1().ReplicaSets(d.Namespace).Create(ctx, rs, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // the cache is behind our own creation
		made, err = c.Client.AppsV1().ReplicaSets(d.Namespace).Get(ctx, rs.Name, metav1.GetOptions{})
		if err == nil && (!metav1.IsControlledBy(made, d) || !sameTemplate(&made.Spec.Template, &d.Spec.Template)) {
			err = fmt.Errorf("another ReplicaSet has that name: delete it")
		}
	}
	if err != nil {
		noteCreateFailed(d, err)
		c.Recorder.Eventf(d, corev1.EventTypeWarning, "ReplicaSetCreateError", "Failed to create new replica set %q: %v", rs.Name, err)
		return fmt.Errorf("create ReplicaSet %s: %w", rs.Name, err)
	}
	s.current = made
	noteCreated(s)
	return nil
}

// numberDeployment copies the revision to the Deployment, where kubectl looks for it.
func (c *deployments) numberDeployment(ctx context.Context, s *scope) error {
	number := s.current.Annotations[revisionAnnotation]
	if s.d.Annotations[revisionAnnotation] == number {
		return nil
	}
	status := s.d.Status
	metav1.SetMetaDataAnnotation(&s.d.ObjectMeta, revisionAnnotation, number)
	updated, err := c.Client.AppsV1().Deployments(s.d.Namespace).Update(ctx, s.d, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("revision: %w", err)
	}
	s.d, s.d.Status = updated, status // conditions noted so far are written with the status
	return nil
}

func nextRevision(old []*appsv1.ReplicaSet) int64 {
	var last int64
	for _, rs := range old {
		last = max(last, revision(rs))
	}
	return last + 1
}

func revision(rs *appsv1.ReplicaSet) int64 {
	n, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// sizes are the annotations that remember the Deployment's wanted size and its surge.
func sizes(d *appsv1.Deployment) map[string]string {
	return map[string]string{
		desiredAnnotation: strconv.Itoa(int(wanted(d))),
		maxAnnotation:     strconv.Itoa(int(wanted(d) + maxSurge(d))),
	}
}

// annotate sets annotations and says whether one of them changed.
func annotate(rs *appsv1.ReplicaSet, set map[string]string) bool {
	changed := false
	for k, v := range set {
		if rs.Annotations[k] != v {
			metav1.SetMetaDataAnnotation(&rs.ObjectMeta, k, v)
			changed = true
		}
	}
	return changed
}

// inherited are the Deployment's annotations without those that belong to one object alone.
func inherited(d *appsv1.Deployment) map[string]string {
	out := maps.Clone(d.Annotations)
	maps.DeleteFunc(out, func(k, _ string) bool {
		return slices.Contains([]string{corev1.LastAppliedConfigAnnotation, revisionAnnotation, historyAnnotation, desiredAnnotation, maxAnnotation}, k)
	})
	return out
}

func withHash(labels map[string]string, hash string) map[string]string {
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]string{}
	}
	out[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	return out
}

// sameTemplate compares two templates without the hash label.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	x, y := a.DeepCopy(), b.DeepCopy()
	delete(x.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(y.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return apiequality.Semantic.DeepEqual(x, y)
}

// templateHash names a template; it is not the number that a kube-controller-manager would compute.
func templateHash(t *corev1.PodTemplateSpec) string {
	h := fnv.New32a()
	if err := json.NewEncoder(h).Encode(t); err != nil {
		panic(err) // neither an API type's encoding nor a hash can fail
	}
	return rand.SafeEncodeString(strconv.FormatUint(uint64(h.Sum32()), 10))
}
