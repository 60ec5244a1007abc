package kubelet

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	lastBackOff = 5 * time.Minute // a kubelet's longest
	// calm is how long a container must have run for its back-off to begin anew: twice the longest.
	calm = 2 * lastBackOff
	// startError is the exit code that a container runtime reports when it could not start the process.
	startError = 128
)

// container is what a worker knows of one of its containers. At each time it waits, runs or has terminated.
type container struct {
	spec *corev1.Container
	init bool

	waiting    *corev1.ContainerStateWaiting
	process    *process // not nil while it runs
	began      time.Time
	terminated *corev1.ContainerStateTerminated
	last       *corev1.ContainerStateTerminated // of the run before
	id         string
	runs       int32 // started so far, also in vain

	started, ready bool
	stopping       bool
	place          *place          // of this run
	run            context.Context // of this run's probes and hooks
	cancel         context.CancelFunc
	killers        []*time.Timer

	backOff   time.Duration // before the next restart
	notBefore time.Time
}

func (c *container) wait(reason, message string) {
	c.waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
}

// over says that it has terminated and is not started again.
func (c *container) over(policy corev1.RestartPolicy) bool {
	if c.process != nil || c.terminated == nil {
		return false
	}
	if c.init {
		return c.terminated.ExitCode == 0 || policy == corev1.RestartPolicyNever
	}
	return policy == corev1.RestartPolicyNever || (policy == corev1.RestartPolicyOnFailure && c.terminated.ExitCode == 0)
}

func (c *container) failed(policy corev1.RestartPolicy) bool {
	return c.over(policy) && c.terminated.ExitCode != 0
}

func (c *container) signal(s syscall.Signal) {
	if c.process != nil {
		c.process.signal(s)
	}
}

// exited records the end of a run and sets the back-off: none before the first restart, then doubling.
func (c *container) exited(code, signal int32, reason, message string, first time.Duration) {
	now := time.Now()
	if c.cancel != nil {
		c.cancel()
	}
	for _, t := range c.killers {
		t.Stop()
	}
	if reason == "" {
		reason = "Completed"
		if code != 0 {
			reason = "Error"
		}
	}
	c.terminated = &corev1.ContainerStateTerminated{
		ExitCode: code, Signal: signal, Reason: reason, Message: message,
		StartedAt: metav1.NewTime(c.began), FinishedAt: metav1.NewTime(now), ContainerID: c.id,
	}
	if now.Sub(c.began) > calm {
		c.backOff = 0
	}
	c.notBefore = now.Add(c.backOff)
	c.backOff = min(max(2*c.backOff, first), lastBackOff)
	c.process, c.cancel, c.killers = nil, nil, nil
	c.started, c.ready, c.stopping = false, false, false
}

// runContainers starts what is due: the init containers one after the other, then all others.
func (w *worker) runContainers(ctx context.Context, now time.Time) time.Duration {
	next := idle
	for _, c := range w.containers {
		if !c.over(w.spec.RestartPolicy) {
			next = min(next, w.runContainer(ctx, c, now))
		}
		if c.init && (c.terminated == nil || c.terminated.ExitCode != 0 || c.process != nil) {
			break // the others wait for it
		}
	}
	return next
}

func (w *worker) runContainer(ctx context.Context, c *container, now time.Time) time.Duration {
	if c.process != nil {
		return idle
	}
	if left := c.notBefore.Sub(now); left > 0 {
		if c.waiting == nil {
			c.wait("CrashLoopBackOff", fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
				left.Round(time.Second/10), c.spec.Name, w.pod.Name, w.pod.Namespace, w.pod.UID))
			w.event(corev1.EventTypeWarning, "BackOff", "Back-off restarting failed container %s in pod %s", c.spec.Name, w.pod.Name)
		}
		return left
	}
	if failure := w.startContainer(ctx, c); failure != nil {
		return w.cannotStart(c, failure, now)
	}
	return idle
}

// notStarted is why a container's process could not be made, in the words of a kubelet.
type notStarted struct {
	reason string
	err    error
}

// cannotStart records it. A configuration that is missing is looked for again soon; a program that cannot be executed
// has ended, and its restart backs off.
func (w *worker) cannotStart(c *container, f *notStarted, now time.Time) time.Duration {
	w.event(corev1.EventTypeWarning, "Failed", "Error: %s: %v", f.reason, f.err)
	if f.reason == "StartError" {
		if c.terminated != nil {
			c.last = c.terminated
		}
		c.runs++
		c.began = now
		c.exited(startError, 0, f.reason, f.err.Error(), w.k.BackOff)
		c.waiting = nil
		return 0
	}
	reason := f.reason
	if reason == "ErrImagePull" && c.waiting != nil && (c.waiting.Reason == reason || c.waiting.Reason == "ImagePullBackOff") {
		reason = "ImagePullBackOff"
		f.err = fmt.Errorf("Back-off pulling image %q: ErrImagePull: %w", c.spec.Image, f.err) //nolint:staticcheck // as a kubelet writes it
	}
	c.wait(reason, f.err.Error())
	c.notBefore = now.Add(lastMountRetry)
	if reason == "ErrImagePull" {
		c.notBefore = now.Add(firstMountRetry)
	}
	return c.notBefore.Sub(now)
}

// logPath is the file of a container's run, counted from 0.
func (w *worker) logPath(name string, run int32) string {
	return filepath.Join(w.dir, "logs", name, fmt.Sprintf("%d.log", run))
}

// homeDir is the container's working directory, which is empty at first.
func (w *worker) homeDir(name string) string { return filepath.Join(w.dir, "containers", name) }
