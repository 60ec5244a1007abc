package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes"

	"github.com/runnel-dev/runnel/test/sandbox/node/loop"
)

// publisher writes the pods' statuses, apart from the workers, so that an API server which does not answer holds up no
// probe, restart or termination. It patches only status, since others write annotations through the same subresource.
type publisher struct {
	client kubernetes.Interface
	loop   *loop.Loop

	mu   sync.Mutex
	pods map[types.UID]*publication
}

// publication is what is known and wanted of one pod's status.
type publication struct {
	namespace, name string
	written         corev1.PodStatus // as the API server has it
	wanted          corev1.PodStatus
	finish          bool // delete the pod once the status is written
}

func newPublisher(o Options) *publisher {
	p := &publisher{client: o.Client, pods: map[types.UID]*publication{}}
	p.loop = loop.New(o.Log, p.sync)
	return p
}

// publish makes status the pod's status soon; only the newest of several is written.
func (p *publisher) publish(pod *corev1.Pod, status *corev1.PodStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.of(pod)
	if apiequality.Semantic.DeepEqual(b.wanted, *status) {
		return
	}
	b.wanted = *status.DeepCopy()
	p.loop.Add(string(pod.UID))
}

// finish publishes the last status, nil for none, and then deletes the pod for good.
func (p *publisher) finish(pod *corev1.Pod, status *corev1.PodStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.of(pod)
	if status != nil {
		b.wanted = *status.DeepCopy()
	}
	b.finish = true
	p.loop.Add(string(pod.UID))
}

// forget drops what is known of a pod that is gone.
func (p *publisher) forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pods, uid)
}

func (p *publisher) of(pod *corev1.Pod) *publication {
	b := p.pods[pod.UID]
	if b == nil {
		b = &publication{namespace: pod.Namespace, name: pod.Name, written: *pod.Status.DeepCopy(), wanted: *pod.Status.DeepCopy()}
		p.pods[pod.UID] = b
	}
	return b
}

func (p *publisher) sync(ctx context.Context, key string) (time.Duration, error) {
	uid := types.UID(key)
	p.mu.Lock()
	b := p.pods[uid]
	if b == nil {
		p.mu.Unlock()
		return 0, nil
	}
	old, wanted, finish := b.written, b.wanted, b.finish
	p.mu.Unlock()
	if err := p.patch(ctx, b, uid, &old, &wanted); err != nil {
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // gone, or another pod of that name
			p.forget(uid)
			return 0, nil
		}
		return 0, fmt.Errorf("status of pod %s/%s: %w", b.namespace, b.name, err)
	}
	p.mu.Lock()
	b.written = wanted
	p.mu.Unlock()
	if !finish {
		return 0, nil
	}
	now := int64(0)
	err := p.client.CoreV1().Pods(b.namespace).Delete(ctx, b.name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(uid)),
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return 0, fmt.Errorf("delete pod %s/%s: %w", b.namespace, b.name, err)
	}
	return 0, nil
}

func (p *publisher) patch(ctx context.Context, b *publication, uid types.UID, old, wanted *corev1.PodStatus) error {
	if apiequality.Semantic.DeepEqual(old, wanted) {
		return nil
	}
	before, err := json.Marshal(corev1.Pod{Status: *ours(old)})
	if err != nil {
		return err
	}
	// The UID makes the patch of a pod that was deleted and made anew a conflict.
	after, err := json.Marshal(corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}, Status: *ours(wanted)})
	if err != nil {
		return err
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(before, after, corev1.Pod{})
	if err != nil {
		return err
	}
	_, err = p.client.CoreV1().Pods(b.namespace).Patch(ctx, b.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// ours is a status without the conditions that others write, readiness gates above all, so that a patch leaves those.
func ours(s *corev1.PodStatus) *corev1.PodStatus {
	out := *s
	out.Conditions = nil
	for _, c := range s.Conditions {
		switch c.Type {
		case corev1.PodScheduled, corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady:
			out.Conditions = append(out.Conditions, c)
		}
	}
	return &out
}
