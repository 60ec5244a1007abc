package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// startContainer makes the container's process, its log, and its probes.
func (w *worker) startContainer(ctx context.Context, c *container) *notStarted {
	if err := unsupported(c.spec, c.init); err != nil {
		return &notStarted{"CreateContainerConfigError", err}
	}
	image, err := w.k.image(c.spec.Image)
	if err != nil {
		if c.spec.ImagePullPolicy == corev1.PullNever {
			return &notStarted{"ErrImageNeverPull", err}
		}
		return &notStarted{"ErrImagePull", err}
	}
	place, err := w.place(ctx, c.spec, image)
	if err != nil {
		return &notStarted{"CreateContainerConfigError", err}
	}
	words := place.words(c.spec)
	if len(words) == 0 {
		return &notStarted{"CreateContainerConfigError", fmt.Errorf("no command specified: image %q has no entrypoint in the sandbox's table: write command", c.spec.Image)}
	}
	if c.runs == 0 {
		w.event(corev1.EventTypeNormal, "Pulled", "Container image %q already present on machine", c.spec.Image)
	}
	cmd, err := place.command(words)
	if err != nil {
		return &notStarted{"StartError", err}
	}
	log, err := w.openLog(c)
	if err != nil {
		return &notStarted{"CreateContainerError", err}
	}
	cmd.Stdout, cmd.Stderr = log, log
	p, err := w.k.spawner.start(cmd)
	if err != nil {
		return &notStarted{"StartError", errors.Join(err, log.Close())}
	}
	w.running(c, place, p, log)
	return nil
}

// running records the new process and gives it those that wait for its end and probe it.
func (w *worker) running(c *container, at *place, p *process, log *os.File) {
	if c.terminated != nil {
		c.last = c.terminated
	}
	c.process, c.began, c.terminated, c.waiting = p, time.Now(), nil, nil
	c.id = fmt.Sprintf("process://%s-%s-%d", w.pod.UID, c.spec.Name, c.runs)
	c.runs++
	c.place = at
	c.run, c.cancel = context.WithCancel(w.ctx)
	w.event(corev1.EventTypeNormal, "Started", "Started container %s", c.spec.Name)
	w.helpers.Go(func() {
		code, signal := p.wait()
		// A log that nobody may write any more is how those who follow it know that it is at its end.
		_ = log.Chmod(0o444)
		_ = log.Close()
		w.post(w.ctx, func() { c.exited(code, signal, "", "", w.k.BackOff) })
	})
	w.probe(c)
}

// openLog begins the log of a new run, and removes those older than the run before it.
func (w *worker) openLog(c *container) (*os.File, error) {
	at := w.logPath(c.spec.Name, c.runs)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return nil, err
	}
	if c.runs >= 2 {
		if err := os.Remove(w.logPath(c.spec.Name, c.runs-2)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return os.OpenFile(at, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_TRUNC, 0o644)
}

// unsupported names what a container asks for that would be silently missing.
func unsupported(c *corev1.Container, init bool) error {
	switch {
	case init && c.RestartPolicy != nil:
		return fmt.Errorf("restartPolicy of init container %s: the sandbox has no sidecars: write it as a container", c.Name)
	case c.Lifecycle != nil && c.Lifecycle.PostStart != nil:
		return fmt.Errorf("postStart of container %s: the sandbox does not have it: do it in the command", c.Name)
	}
	for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if p != nil && p.GRPC != nil {
			return fmt.Errorf("grpc probe of container %s: the sandbox has httpGet, tcpSocket and exec: use one of them", c.Name)
		}
	}
	return nil
}
