package kubelet

import (
	"context"
	"fmt"
	"runtime"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/runnel-dev/runnel/test/sandbox/node/loop"
)

// hostIP is the address of the node itself.
const hostIP = "127.0.0.1"

// binder is all of the scheduler that one node needs: it assigns every pod to it.
type binder struct {
	client kubernetes.Interface
	node   string
	events record.EventRecorder
	loop   *loop.Loop
	get    func(namespace, name string) (*corev1.Pod, error)
}

func newBinder(o Options) *binder {
	pods := o.Informers.Core().V1().Pods().Lister()
	b := &binder{client: o.Client, node: o.NodeName, events: o.Recorder}
	b.get = func(namespace, name string) (*corev1.Pod, error) { return pods.Pods(namespace).Get(name) }
	b.loop = loop.New(o.Log, b.bind)
	return b
}

func (b *binder) add(p *corev1.Pod) { b.loop.Add(p.Namespace + "/" + p.Name) }

func (b *binder) bind(ctx context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, err
	}
	pod, err := b.get(namespace, name)
	if apierrors.IsNotFound(err) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || len(pod.Spec.SchedulingGates) > 0 {
		return 0, nil
	}
	err = b.client.CoreV1().Pods(namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: b.node},
	}, metav1.CreateOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		// An API server without the binding subresource lets an administrator write the field.
		pod = pod.DeepCopy()
		pod.Spec.NodeName = b.node
		_, err = b.client.CoreV1().Pods(namespace).Update(ctx, pod, metav1.UpdateOptions{})
	}
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return 0, nil // gone, bound before, or changed: then its event comes
	case err != nil:
		return 0, fmt.Errorf("bind: %w", err)
	}
	b.events.Eventf(pod, corev1.EventTypeNormal, "Scheduled", "Successfully assigned %s to %s", key, b.node)
	return 0, nil
}

// registerNode makes the Node and says that it is ready. Nothing here marks it otherwise, so it needs no heartbeat.
func registerNode(ctx context.Context, client kubernetes.Interface, name string) error {
	nodes := client.CoreV1().Nodes()
	node, err := nodes.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		corev1.LabelHostname: name, corev1.LabelOSStable: runtime.GOOS, corev1.LabelArchStable: runtime.GOARCH,
	}}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		node, err = nodes.Get(ctx, name, metav1.GetOptions{})
	}
	if err != nil {
		return err
	}
	now := metav1.Now()
	capacity := nodeCapacity()
	capacity[corev1.ResourcePods] = resource.MustParse("60000")
	node.Status = corev1.NodeStatus{
		Capacity: capacity, Allocatable: capacity,
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: hostIP}, {Type: corev1.NodeHostName, Address: name}},
		Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
			Message: "pods run as local processes", LastHeartbeatTime: now, LastTransitionTime: now,
		}},
		NodeInfo: corev1.NodeSystemInfo{
			OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
			KubeletVersion: "v1.37.2+sandbox", ContainerRuntimeVersion: "process://1", OSImage: "the sandbox's host",
		},
	}
	_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return err
}
