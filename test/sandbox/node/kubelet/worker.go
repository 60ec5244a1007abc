package kubelet

import (
	"context"
	"maps"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// firstMountRetry and lastMountRetry pace the attempts at volumes that cannot be had yet; a kubelet begins with the
	// same delay, and goes on to two minutes.
	firstMountRetry = 500 * time.Millisecond
	lastMountRetry  = 5 * time.Second
	idle            = time.Hour // a worker that waits for nothing in particular
)

// worker runs one pod. One goroutine, run, owns everything in it; others hand it functions by post.
type worker struct {
	k   *Kubelet
	log logr.Logger
	dir string

	updates chan update // the newest alone
	posts   chan func()
	done    chan struct{}   // closed when run takes no more posts
	ctx     context.Context // ends with run
	helpers sync.WaitGroup  // probes, hooks, and those that wait for a process

	pod        *corev1.Pod
	spec       *corev1.PodSpec // the pod's, with the API token's volume
	gone       bool            // the object is no longer there
	ip         string
	address    netip.Addr
	start      metav1.Time
	containers []*container // init containers first
	conditions []corev1.PodCondition

	prepared, mounted bool
	mountAt           time.Time
	mountRetry        time.Duration
	mountError        string
	tokens            tokens

	terminating bool
	finish      func()        // says that the pod is over, once nothing of it is left
	granted     time.Duration // the grace period that its processes were given
}

// update is a newer state of a pod.
type update struct {
	pod  *corev1.Pod
	gone bool
}

func newWorker(k *Kubelet, pod *corev1.Pod) *worker {
	w := &worker{
		k: k, log: k.Log.WithValues("pod", pod.Namespace+"/"+pod.Name), dir: k.podDir(pod.UID), pod: pod, spec: pod.Spec.DeepCopy(),
		updates: make(chan update, 1), posts: make(chan func()), done: make(chan struct{}), start: metav1.Now(),
		conditions: pod.Status.Conditions,
	}
	for i := range w.spec.InitContainers {
		w.containers = append(w.containers, &container{spec: &w.spec.InitContainers[i], init: true})
	}
	for i := range w.spec.Containers {
		w.containers = append(w.containers, &container{spec: &w.spec.Containers[i]})
	}
	for _, c := range w.containers {
		c.wait("PodInitializing", "")
		if c.init || len(w.spec.InitContainers) == 0 {
			c.wait("ContainerCreating", "")
		}
	}
	return w
}

// offer replaces an update that was not taken yet. It is called with the kubelet's lock held, so by one at a time.
func (w *worker) offer(u update) {
	select {
	case <-w.updates:
	default:
	}
	w.updates <- u
}

// post hands a function to the worker; it is dropped when ctx, which ends before the worker or with it, is done.
func (w *worker) post(ctx context.Context, f func()) {
	select {
	case w.posts <- f:
	case <-ctx.Done():
	}
}

// run returns when the pod has ended for good and its processes, files and address are gone. When ctx ends before, the
// processes are killed at once, as if the machine were switched off.
func (w *worker) run(ctx context.Context) {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.ctx = inner
	defer func() {
		for _, c := range w.containers {
			c.signal(syscall.SIGKILL)
		}
		cancel()
		close(w.done)
		w.helpers.Wait()
		w.release()
		if w.finish != nil {
			w.finish()
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-w.updates:
			w.observe(u)
		case f := <-w.posts:
			f()
		case <-timer.C:
		}
		next, done := w.step(ctx, time.Now())
		if done {
			return
		}
		timer.Reset(max(0, next))
	}
}

func (w *worker) release() {
	if w.address.IsValid() {
		w.k.addresses.give(w.address)
	}
	if err := removeDir(w.dir); err != nil {
		w.log.Error(err, "Cannot remove the pod's directory")
	}
}

// observe takes a newer pod object. A change that a kubelet would sync for makes the volumes due: of spec, labels,
// annotations, or deletion, but not of the status.
func (w *worker) observe(u update) {
	old := w.pod
	w.pod, w.gone = u.pod, w.gone || u.gone
	if old.Generation != w.pod.Generation || !maps.Equal(old.Labels, w.pod.Labels) || !maps.Equal(old.Annotations, w.pod.Annotations) {
		w.mountAt = time.Time{}
	}
}

// step does what is due, publishes the status, and says when to come again.
func (w *worker) step(ctx context.Context, now time.Time) (next time.Duration, done bool) {
	if w.gone || w.pod.DeletionTimestamp != nil {
		return w.terminate()
	}
	if w.ended() {
		w.publish()
		return idle, false // its files stay for its logs, until it is deleted
	}
	due := w.prepare(ctx, now)
	if w.mounted {
		due = min(due, w.runContainers(ctx, now))
	}
	w.publish()
	return due, false
}

// prepare gives the pod its address, directory and volumes.
func (w *worker) prepare(ctx context.Context, now time.Time) time.Duration {
	if now.Before(w.mountAt) {
		return w.mountAt.Sub(now)
	}
	err := w.setUp(ctx)
	if err == nil {
		w.mounted, w.mountRetry, w.mountError = true, 0, ""
		w.mountAt = now.Add(w.k.SyncPeriod)
		if due := w.tokens.due; !due.IsZero() && due.Before(w.mountAt) {
			w.mountAt = due
		}
	} else {
		w.mountRetry = min(max(2*w.mountRetry, firstMountRetry), lastMountRetry)
		w.mountAt = now.Add(w.mountRetry)
		if ctx.Err() == nil && err.Error() != w.mountError {
			w.mountError = err.Error()
			w.event(corev1.EventTypeWarning, "FailedMount", "%s", w.mountError)
		}
	}
	return w.mountAt.Sub(now)
}

func (w *worker) setUp(ctx context.Context) error {
	if !w.address.IsValid() {
		ip, err := w.k.addresses.take()
		if err != nil {
			return err
		}
		w.address, w.ip = ip, ip.String()
		if w.spec.HostNetwork {
			w.ip = hostIP
		}
	}
	if !w.prepared {
		if err := os.MkdirAll(w.dir, 0o755); err != nil {
			return err
		}
		if err := w.automount(ctx); err != nil {
			return err
		}
		if err := w.writeKubeconfig(); err != nil {
			return err
		}
		w.prepared = true
	}
	return w.mountVolumes(ctx)
}

// ended says that every container has ended and none is started again.
func (w *worker) ended() bool {
	for _, c := range w.containers {
		if c.init && c.failed(w.spec.RestartPolicy) {
			return true
		}
	}
	for _, c := range w.containers {
		if !c.init && !c.over(w.spec.RestartPolicy) {
			return false
		}
	}
	return true
}

func (w *worker) publish() {
	if w.gone {
		return
	}
	status := w.status()
	w.k.publisher.publish(w.pod, &status)
}

func (w *worker) event(kind, reason, format string, args ...any) {
	w.k.Recorder.Eventf(w.pod, kind, reason, format, args...)
}
