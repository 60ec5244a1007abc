package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// queue is the name of the operator's queue of streams.
const queue = "eventstream"

// Metrics is what the operator says of itself at one time.
type Metrics struct {
	// Live is the heap that the last garbage collection found in use, in bytes.
	Live float64
	// InUse is the heap's memory with what waits for the next collection, in bytes.
	InUse float64
	// Waiting and Working count streams in the queue and with a worker.
	Waiting, Working float64
	// Reconciled counts reconciliations, and Errors those that failed.
	Reconciled, Errors float64
	// Queued is for how long, in seconds, streams waited in the queue.
	Queued Histogram
	// Took is how long, in seconds, reconciliations took.
	Took Histogram
}

// Idle says whether nothing is queued or worked on.
func (m Metrics) Idle() bool { return m.Waiting == 0 && m.Working == 0 }

// Metrics reads the operator's metrics.
func (m *Manager) Metrics(ctx context.Context) (Metrics, error) {
	body, err := m.get(ctx, "http://"+m.metrics+"/metrics", expfmt.NewFormat(expfmt.TypeProtoDelim))
	if err != nil {
		return Metrics{}, err
	}
	defer func() { _ = body.Close() }() // it was only read
	return read(expfmt.NewDecoder(body, expfmt.NewFormat(expfmt.TypeProtoDelim)))
}

func read(d expfmt.Decoder) (m Metrics, err error) {
	for {
		family := &dto.MetricFamily{}
		if err := d.Decode(family); errors.Is(err, io.EOF) {
			return m, nil
		} else if err != nil {
			return m, fmt.Errorf("metrics: %w", err)
		}
		for _, sample := range family.GetMetric() {
			m.take(family.GetName(), sample)
		}
	}
}

func (m *Metrics) take(name string, sample *dto.Metric) {
	for _, l := range sample.GetLabel() {
		if l.GetName() == "controller" && l.GetValue() != queue {
			return
		}
	}
	switch name {
	case "go_gc_heap_live_bytes":
		m.Live = sample.GetGauge().GetValue()
	case "go_memstats_heap_inuse_bytes":
		m.InUse = sample.GetGauge().GetValue()
	case "workqueue_depth": // by priority
		m.Waiting += sample.GetGauge().GetValue()
	case "controller_runtime_active_workers":
		m.Working = sample.GetGauge().GetValue()
	case "controller_runtime_reconcile_total": // by result
		m.Reconciled += sample.GetCounter().GetValue()
	case "controller_runtime_reconcile_errors_total":
		m.Errors = sample.GetCounter().GetValue()
	case "workqueue_queue_duration_seconds":
		m.Queued = native(sample.GetHistogram())
	case "controller_runtime_reconcile_time_seconds":
		m.Took = native(sample.GetHistogram())
	}
}

// Collect has the operator collect its garbage. A second time frees what finalizers and pools still held at the first.
func (m *Manager) Collect(ctx context.Context) error {
	for range 2 {
		if err := m.Profile(ctx, io.Discard); err != nil {
			return err
		}
	}
	return nil
}

// Profile collects the operator's garbage and writes a profile of its heap, for `go tool pprof`.
func (m *Manager) Profile(ctx context.Context, to io.Writer) error {
	body, err := m.get(ctx, "http://"+m.profiles+"/debug/pprof/heap?gc=1", "")
	if err != nil {
		return err
	}
	_, err = io.Copy(to, body)
	return errors.Join(err, body.Close())
}

// CPU profiles the operator for a time, and writes the profile.
func (m *Manager) CPU(ctx context.Context, d time.Duration, to io.Writer) error {
	body, err := m.get(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", m.profiles, d.Seconds()), "")
	if err != nil {
		return err
	}
	_, err = io.Copy(to, body)
	return errors.Join(err, body.Close())
}

func (m *Manager) get(ctx context.Context, url string, format expfmt.Format) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if format != "" {
		req.Header.Set("Accept", string(format))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close() // the status says it
		return nil, fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return resp.Body, nil
}
