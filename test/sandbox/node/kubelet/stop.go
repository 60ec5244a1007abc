package kubelet

import (
	"context"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// hookMargin is what a process gets after SIGTERM at least, even if its preStop hook took all of the grace period.
	hookMargin = 2 * time.Second
	// forcedGrace is what is left to the processes of a pod whose object was removed at once.
	forcedGrace = time.Second
)

// terminate ends a deleted pod: hooks and SIGTERM first, SIGKILL at the end of the grace period, and when no process is
// left its files are removed, its last status is written, and its object is deleted for good.
func (w *worker) terminate() (next time.Duration, done bool) {
	if grace := w.grace(); !w.terminating || grace < w.granted {
		for _, c := range w.containers {
			if c.process == nil {
				continue
			}
			if !w.terminating {
				w.event(corev1.EventTypeNormal, "Killing", "Stopping container %s", c.spec.Name)
			}
			w.stop(c, grace)
		}
		w.terminating, w.granted = true, grace
	}
	for _, c := range w.containers {
		if c.process != nil {
			w.publish()
			return idle, false
		}
	}
	if !w.gone {
		pod, status := w.pod, w.status()
		w.finish = func() { w.k.publisher.finish(pod, &status) }
	}
	return 0, true
}

// grace is how long the pod's processes have: what the deletion says, which a second deletion can shorten.
func (w *worker) grace() time.Duration {
	switch {
	case w.gone:
		return forcedGrace
	case w.pod.DeletionGracePeriodSeconds != nil:
		return time.Duration(*w.pod.DeletionGracePeriodSeconds) * time.Second
	case w.spec.TerminationGracePeriodSeconds != nil:
		return time.Duration(*w.spec.TerminationGracePeriodSeconds) * time.Second
	}
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

// stop ends a container's run: its preStop hook, then SIGTERM, then SIGKILL when grace is over. Called again it can only
// bring the end nearer.
func (w *worker) stop(c *container, grace time.Duration) {
	p := c.process
	hook := preStop(c.spec)
	kill := grace
	if hook != nil {
		kill = max(grace, hookMargin)
	}
	c.killers = append(c.killers, time.AfterFunc(kill, func() { p.signal(syscall.SIGKILL) }))
	if c.stopping {
		return
	}
	c.stopping = true
	if hook == nil {
		p.signal(syscall.SIGTERM)
		return
	}
	ctx, cancel := context.WithTimeout(c.run, grace)
	at, pod := c.place, w.pod
	w.helpers.Go(func() {
		defer cancel()
		if err := at.hook(ctx, hook); err != nil && ctx.Err() == nil {
			w.k.Recorder.Eventf(pod, corev1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed: %v", err)
		}
		p.signal(syscall.SIGTERM)
	})
}

func preStop(c *corev1.Container) *corev1.LifecycleHandler {
	if c.Lifecycle == nil {
		return nil
	}
	return c.Lifecycle.PreStop
}
