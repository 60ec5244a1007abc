package manager

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// histogram is one as the operator's libraries make it, and its present state.
func histogram() (prometheus.Histogram, func() Histogram) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "h", NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	})
	return h, func() Histogram {
		m := &dto.Metric{}
		if err := h.Write(m); err != nil {
			panic(err)
		}
		return native(m.GetHistogram())
	}
}

func near(got, want, factor float64) bool { return got >= want/1.0001 && got <= want*factor }

func TestQuantilesAreOfWhatCameAfter(t *testing.T) {
	h, now := histogram()
	for range 1000 {
		h.Observe(5) // long before
		h.Observe(0.0005)
	}
	before := now()
	for i := range 100 {
		h.Observe(float64(i+1) / 1000)
	}
	after := now()
	if n := after.Count() - before.Count(); n != 100 {
		t.Errorf("%d were counted", n)
	}
	for q, want := range map[float64]float64{0.5: 0.050, 0.99: 0.099, 1: 0.1} {
		if got := after.QuantileSince(before, q); !near(got, want, 1.1) {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
	if got := after.QuantileSince(after, 0.99); got != 0 {
		t.Errorf("nothing came, and took %v", got)
	}
}

func TestAHistogramThatBecameCoarserIsReadToo(t *testing.T) {
	h, now := histogram()
	for range 10 {
		h.Observe(0.010)
	}
	before := now()
	for i := range 1000 { // over nine powers of ten: more buckets than it may have
		h.Observe(math.Pow(10, float64(i)/1000*9-6))
	}
	for range 9000 {
		h.Observe(0.040)
	}
	after := now()
	if after.schema >= before.schema {
		t.Fatalf("it is as fine as before: %d", after.schema)
	}
	if got := after.QuantileSince(before, 0.9); !near(got, 0.040, 2) {
		t.Errorf("the quantile is %v", got)
	}
	h.Observe(0)
	if got := now().QuantileSince(after, 0.99); got != after.threshold {
		t.Errorf("zero is %v", got)
	}
}

func TestMetricsAreTheOperators(t *testing.T) {
	families := []struct {
		name   string
		metric []*dto.Metric
	}{
		{"go_gc_heap_live_bytes", []*dto.Metric{gauge(1e6)}},
		{"go_memstats_heap_inuse_bytes", []*dto.Metric{gauge(2e6)}},
		{"workqueue_depth", []*dto.Metric{gauge(3, "controller", queue, "priority", "0"), gauge(4, "controller", queue, "priority", "-100"), gauge(50, "controller", "other")}},
		{"controller_runtime_active_workers", []*dto.Metric{gauge(5, "controller", queue), gauge(60, "controller", "other")}},
		{"controller_runtime_reconcile_total", []*dto.Metric{counter(6, "controller", queue, "result", "success"), counter(7, "controller", queue, "result", "error")}},
		{"controller_runtime_reconcile_errors_total", []*dto.Metric{counter(7, "controller", queue)}},
	}
	var b bytes.Buffer
	e := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, f := range families {
		kind := dto.MetricType_GAUGE
		if f.metric[0].Counter != nil {
			kind = dto.MetricType_COUNTER
		}
		if err := e.Encode(&dto.MetricFamily{Name: &f.name, Type: &kind, Metric: f.metric}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := read(expfmt.NewDecoder(&b, expfmt.NewFormat(expfmt.TypeProtoDelim)))
	if err != nil {
		t.Fatal(err)
	}
	if m.Live != 1e6 || m.InUse != 2e6 || m.Waiting != 7 || m.Working != 5 || m.Reconciled != 13 || m.Errors != 7 || m.Idle() {
		t.Errorf("%+v", m)
	}
	if (Metrics{Working: 1}).Idle() || (Metrics{Waiting: 1}).Idle() || !(Metrics{}).Idle() {
		t.Error("idle is who has nothing queued and nothing at work")
	}
	if _, err := read(expfmt.NewDecoder(bytes.NewReader([]byte{9, 9}), expfmt.NewFormat(expfmt.TypeProtoDelim))); err == nil {
		t.Error("half a metric was read")
	}
}

func labels(pairs []string) (out []*dto.LabelPair) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, &dto.LabelPair{Name: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

func gauge(v float64, pairs ...string) *dto.Metric {
	return &dto.Metric{Label: labels(pairs), Gauge: &dto.Gauge{Value: &v}}
}

func counter(v float64, pairs ...string) *dto.Metric {
	return &dto.Metric{Label: labels(pairs), Counter: &dto.Counter{Value: &v}}
}
