package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// act plays one round of everybody but the operator: the garbage collector, the namespace's end, the controller of Deployments, the
// kubelet and the hubs. It says whether anything changed.
func (w *trial) act() bool {
	// Each of them sees what the others did before.
	return w.collectGarbage() || w.endNamespace() || w.deploy() || w.load()
}

func (w *trial) must(err error) { w.g.Expect(err).NotTo(HaveOccurred()) }

// collectGarbage deletes what has lost its owner.
func (w *trial) collectGarbage() (changed bool) {
	all := w.api.Objects()
	for _, o := range all {
		ref := metav1.GetControllerOf(o)
		if ref == nil || slices.ContainsFunc(all, func(other client.Object) bool { return other.GetUID() == ref.UID }) {
			continue
		}
		w.must(w.api.Delete(context.Background(), o))
		changed = true
	}
	return changed
}

// endNamespace deletes everything in a namespace that goes.
func (w *trial) endNamespace() (changed bool) {
	if !w.going {
		return false
	}
	for _, o := range w.api.Objects() {
		w.must(w.api.Delete(context.Background(), o))
		changed = true
	}
	return changed
}

// deploy has one pod of each Deployment's template run, and says so in its status.
func (w *trial) deploy() (changed bool) {
	list := &appsv1.DeploymentList{}
	w.must(w.api.List(context.Background(), list))
	for i := range list.Items {
		d := &list.Items[i]
		wanted := pod(d)
		there := false
		pods := &corev1.PodList{}
		w.must(w.api.List(context.Background(), pods, client.InNamespace(d.Namespace)))
		for j := range pods.Items {
			p := &pods.Items[j]
			switch {
			case !metav1.IsControlledBy(p, d):
			case p.Name == wanted.Name:
				there = true
			default:
				w.must(w.api.Delete(context.Background(), p))
				delete(w.running, p.Status.PodIP)
				changed = true
			}
		}
		if !there {
			w.must(w.api.Create(context.Background(), wanted))
			changed = true
		}
		status := appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1}
		if !equality.Semantic.DeepEqual(d.Status, status) {
			d.Status = status
			w.must(w.api.Status().Update(context.Background(), d))
			changed = true
		}
	}
	return changed
}

// pod of a Deployment's template. Name and address are made of it, so that the same template makes the same pod.
func pod(d *appsv1.Deployment) *corev1.Pod {
	template, err := json.Marshal(d.Spec.Template)
	if err != nil {
		panic(err) // it came as JSON
	}
	sum := sha256.Sum256(append(template, d.UID...))
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, Name: fmt.Sprintf("%s-%x", d.Name, sha256.Sum256(template))[:len(d.Name)+9], Labels: d.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: d.Spec.Template.Spec,
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: fmt.Sprintf("127.%d.%d.%d", sum[0], sum[1], sum[2]),
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: render.HubContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		},
	}
}

// load has each hub take up what its ConfigMap holds, and see which of the Secrets that it names are there.
func (w *trial) load() (changed bool) {
	pods := &corev1.PodList{}
	w.must(w.api.List(context.Background(), pods))
	for _, p := range pods.Items {
		cm := &corev1.ConfigMap{}
		name := render.HubName(p.Labels[render.LabelInstance])
		if err := w.api.Get(context.Background(), client.ObjectKey{Namespace: p.Namespace, Name: name}, cm); err != nil {
			continue
		}
		before := w.running[p.Status.PodIP]
		if before == nil {
			before = &HubStatus{}
		}
		now, knows := *before, additionsOf(p.Spec.Containers[0].Image)
		if cfg, err := knows.Decode([]byte(cm.Data[render.ConfigKey])); err != nil {
			now.ConfigError = err.Error()
		} else {
			now = HubStatus{ConfigHash: config.Hash(cfg), ConfigVersion: knows.Version()}
			for _, r := range cfg.References() {
				if !w.secrets[r.Kind+" "+r.Name] {
					now.Missing = append(now.Missing, fmt.Sprintf("%s %s, key %s", r.Kind, r.Name, r.Key))
				}
			}
		}
		if !equality.Semantic.DeepEqual(*before, now) {
			w.running[p.Status.PodIP] = &now
			changed = true
		}
	}
	return changed
}

// additionsOf are those that hubs of an image know.
func additionsOf(image string) config.Additions {
	if image == next {
		return planted()
	}
	return config.Added()
}

// Read is what the hub at an address says. An operator asks it when it will; so does this one.
func (w *trial) Read(_ context.Context, ip string) (HubStatus, error) {
	if h := w.running[ip]; h != nil {
		return *h, nil
	}
	return HubStatus{}, errors.New("connection refused")
}
