package kubelet

import (
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// fakes make pods look ready at once, without any process, for tests that count objects rather than connections.
type fakes struct {
	publisher *publisher
	addresses *addresses

	mu    sync.Mutex
	given map[types.UID]netip.Addr
}

func (f *fakes) follow(pod *corev1.Pod) {
	if pod.DeletionTimestamp != nil {
		f.publisher.finish(pod, nil)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.given[pod.UID]; known {
		return
	}
	ip, err := f.addresses.take()
	if err != nil {
		return // 64,516 pods are more than any test has; the next event of the pod tries again
	}
	f.given[pod.UID] = ip
	now := metav1.Now()
	v := view{pod: pod, ip: ip.String(), start: now, mounted: true}
	for i := range pod.Spec.Containers {
		v.containers = append(v.containers, corev1.ContainerStatus{
			Name: pod.Spec.Containers[i].Name, Image: pod.Spec.Containers[i].Image, Ready: true, Started: new(true),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		})
	}
	status := podStatus(v, now)
	f.publisher.publish(pod, &status)
}

func (f *fakes) forget(uid types.UID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ip, ok := f.given[uid]; ok {
		f.addresses.give(ip)
		delete(f.given, uid)
	}
}
