package kubelet

import (
	"context"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const killSignal = syscall.SIGKILL

// probe begins to probe a run: the startup probe first, and from its success on liveness and readiness. It ends with the
// run. A container without a probe of a kind counts as if that had succeeded.
func (w *worker) probe(c *container) {
	ctx, at, spec := c.run, c.place, c.spec
	if spec.StartupProbe == nil {
		w.begun(c)
		return
	}
	w.helpers.Go(func() {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		p := &prober{at: at, probe: spec.StartupProbe, every: w.k.ProbeInterval}
		p.failed = func(err error) { w.unhealthy(ctx, "Startup", err) }
		p.run(inner, func(ok bool) {
			if !ok {
				w.post(ctx, func() { w.fail(c, spec.StartupProbe, "startup") })
				return
			}
			cancel()
			w.post(ctx, func() { w.begun(c) })
		})
	})
}

// begun starts what follows the startup probe.
func (w *worker) begun(c *container) {
	c.started, c.ready = true, c.spec.ReadinessProbe == nil
	ctx := c.run
	if p := c.spec.LivenessProbe; p != nil {
		l := &prober{at: c.place, probe: p, every: w.k.ProbeInterval}
		l.failed = func(err error) { w.unhealthy(ctx, "Liveness", err) }
		w.helpers.Go(func() {
			l.run(ctx, func(ok bool) {
				if !ok {
					w.post(ctx, func() { w.fail(c, p, "liveness") })
				}
			})
		})
	}
	if p := c.spec.ReadinessProbe; p != nil {
		r := &prober{at: c.place, probe: p, every: w.k.ProbeInterval}
		r.failed = func(err error) { w.unhealthy(ctx, "Readiness", err) }
		w.helpers.Go(func() {
			r.run(ctx, func(ok bool) { w.post(ctx, func() { c.ready = ok }) })
		})
	}
}

func (w *worker) unhealthy(ctx context.Context, kind string, err error) {
	w.post(ctx, func() { w.event(corev1.EventTypeWarning, "Unhealthy", "%s probe failed: %v", kind, err) })
}

// fail ends a run whose startup or liveness probe failed; its restart follows by the policy of the pod.
func (w *worker) fail(c *container, p *corev1.Probe, kind string) {
	if c.stopping || c.process == nil {
		return
	}
	w.event(corev1.EventTypeNormal, "Killing", "Container %s failed %s probe, will be restarted", c.spec.Name, kind)
	grace := w.grace()
	if p.TerminationGracePeriodSeconds != nil {
		grace = time.Duration(*p.TerminationGracePeriodSeconds) * time.Second
	}
	w.stop(c, grace)
}

// prober calls one probe by its period and thresholds.
type prober struct {
	at     *place
	probe  *corev1.Probe
	every  time.Duration   // instead of the period until the first success, if shorter and not 0
	failed func(err error) // called for each failure that counts
}

// run calls verdict when a threshold is reached and the verdict is another than the one before; it returns when ctx is
// done. Attempts before the first success that are made more often than the period says count only once a period, so
// that a failure threshold means the same time as on a real node.
func (p *prober) run(ctx context.Context, verdict func(ok bool)) {
	period := seconds(p.probe.PeriodSeconds, 10)
	first, last := true, false
	var successes, failures int32
	var counted time.Time
	wait := time.Duration(p.probe.InitialDelaySeconds) * time.Second
	succeeded := false
	for sleep(ctx, wait) {
		began := time.Now()
		err := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err == nil:
			succeeded = true
			successes, failures = successes+1, 0
		case succeeded || began.Sub(counted) >= period:
			successes, failures, counted = 0, failures+1, began
			p.failed(err)
		}
		ok := err == nil
		if (ok && successes >= max(1, p.probe.SuccessThreshold)) || (!ok && failures >= threshold(p.probe)) {
			if first || ok != last {
				verdict(ok)
			}
			first, last = false, ok
		}
		wait = period
		if !succeeded && p.every > 0 {
			wait = min(period, p.every)
		}
	}
}

func (p *prober) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, seconds(p.probe.TimeoutSeconds, 1))
	defer cancel()
	return p.at.check(ctx, &p.probe.ProbeHandler)
}

// threshold is the failure threshold; 3 is the API's default.
func threshold(p *corev1.Probe) int32 {
	if p.FailureThreshold > 0 {
		return p.FailureThreshold
	}
	return 3
}

// seconds is n, or the API's default for a field that is not set.
func seconds(n, byDefault int32) time.Duration {
	if n <= 0 {
		n = byDefault
	}
	return time.Duration(n) * time.Second
}

// sleep returns false if ctx is done before d has passed.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
