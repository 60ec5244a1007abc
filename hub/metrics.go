package hub

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
	"github.com/runnel-dev/runnel/hub/peer"
	"github.com/runnel-dev/runnel/hub/process"
)

// metrics counts what happens. Labels have few values: declared topics, reasons and codes of this code, never what a client
// sent.
type metrics struct {
	registry                         *prometheus.Registry
	events, eventBytes, duplicates   *prometheus.CounterVec
	publishRefused, subscribeRefused *prometheus.CounterVec
	turnedAway                       *prometheus.CounterVec
	delivered, deliveredBytes        prometheus.Counter
	gaps, ended                      *prometheus.CounterVec
	handovers                        *prometheus.CounterVec
	forwarded                        prometheus.Counter
	loaded                           prometheus.Gauge
	panics                           prometheus.Counter
	acceptFailures, acceptWaits      *prometheus.CounterVec
	refused                          func(Refusal) // nil is nobody

	resolving sync.Mutex // guards the replacement of rules
	rules     atomic.Pointer[map[string]publishedCounters]
}

// publishedCounters are those of one declared topic.
type publishedCounters struct{ events, bytes, duplicates prometheus.Counter }

func newMetrics(h *Hub) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry:         prometheus.NewRegistry(),
		events:           vector("runnel_hub_published_events_total", "Events stored, by declared topic.", "topic"),
		eventBytes:       vector("runnel_hub_published_bytes_total", "Payload bytes stored, by declared topic.", "topic"),
		duplicates:       vector("runnel_hub_published_duplicates_total", "Events that were stored before under the same id, by declared topic.", "topic"),
		publishRefused:   vector("runnel_hub_publish_refused_total", "Publish requests and single lines of batches refused, by HTTP status and problem code.", "status", "code"),
		subscribeRefused: vector("runnel_hub_subscribe_refused_total", "Subscribe requests refused, by HTTP status and problem code.", "status", "code"),
		turnedAway:       vector("runnel_hub_connections_refused_total", "Readers told to come back later, by reason: connections, identity, draining, keys or handover.", "reason"),
		delivered:        counter("runnel_hub_delivered_events_total", "Events that connections took."),
		deliveredBytes:   counter("runnel_hub_delivered_bytes_total", "Bytes that connections took, control events and heartbeats included."),
		gaps:             vector("runnel_hub_gaps_total", "Notices of a gap, by reason.", "reason"),
		ended:            vector("runnel_hub_connections_ended_total", "Connections that ended, by reason.", "reason"),
		handovers:        vector("runnel_hub_handovers_total", "Hand-overs between hubs of the stream, by result: taken_over, given, missed or superseded.", "result"),
		forwarded:        counter("runnel_hub_forwarded_events_total", "Events that were passed on to the hub that appends."),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "runnel_hub_config_last_load_successful", Help: "1 when the newest configuration runs, 0 when it was refused.",
		}),
		panics:         counter("runnel_hub_panics_total", "Requests whose handler panicked, which is a fault of the hub."),
		acceptFailures: vector("runnel_hub_accept_failures_total", "Connections that could not be accepted or served, for want of a descriptor or the like, by port.", "port"),
		acceptWaits:    vector("runnel_hub_accept_waits_total", "Times that new connections had to wait since a port had as many as descriptors allow, by port.", "port"),
	}
	m.rules.Store(&map[string]publishedCounters{})
	m.loaded.Set(1)
	m.atZero()
	m.registry.MustRegister(m.events, m.eventBytes, m.duplicates, m.publishRefused, m.subscribeRefused, m.turnedAway, m.delivered, m.deliveredBytes, m.gaps, m.ended, m.handovers, m.forwarded, m.loaded, m.panics, m.acceptFailures, m.acceptWaits,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &gauges{hub: h}, process.BuildInfo("runnel_hub_build_info", h.version))
	return m
}

// published counts an event of a declared topic. To find counters by their labels takes as long as to store an event, so it is done
// once for each declared topic.
func (m *metrics) published(rule string, bytes int, duplicate bool) {
	c, known := (*m.rules.Load())[rule]
	if !known {
		c = m.resolve(rule)
	}
	if duplicate {
		c.duplicates.Inc()
		return
	}
	c.events.Inc()
	c.bytes.Add(float64(bytes))
}

// resolve finds the counters of a declared topic. Those of one that is declared no longer stay, since a counter that came back smaller
// would mislead who adds up.
func (m *metrics) resolve(rule string) publishedCounters {
	m.resolving.Lock()
	defer m.resolving.Unlock()
	all := maps.Clone(*m.rules.Load())
	c := publishedCounters{m.events.WithLabelValues(rule), m.eventBytes.WithLabelValues(rule), m.duplicates.WithLabelValues(rule)}
	all[rule] = c
	m.rules.Store(&all)
	return c
}

func (m *metrics) refusedPublish(p *problem) {
	m.publishRefused.WithLabelValues(strconv.Itoa(p.Status), p.Code).Inc()
	m.tell(PortPublish, p.Status, p)
}

func (m *metrics) refusedSubscribe(p *problem) {
	m.subscribeRefused.WithLabelValues(strconv.Itoa(p.Status), p.Code).Inc()
	m.tell(PortSubscribe, p.Status, p)
}

func (m *metrics) reloaded(ok bool) {
	m.loaded.Set(map[bool]float64{true: 1}[ok])
}

// Delivered implements fanout.Observer.
func (m *metrics) Delivered(events, bytes int) {
	m.delivered.Add(float64(events))
	m.deliveredBytes.Add(float64(bytes))
}

// Gap implements fanout.Observer.
func (m *metrics) Gap(reason eventlog.Reason) { m.gaps.WithLabelValues(string(reason)).Inc() }

// Ended implements fanout.Observer.
func (m *metrics) Ended(reason fanout.Reason) { m.ended.WithLabelValues(string(reason)).Inc() }

// observer is told what happens to subscribers: the log has a line of what a person should know.
type observer struct {
	*metrics
	notices *notices
}

// Ended implements fanout.Observer.
func (o observer) Ended(reason fanout.Reason) {
	o.metrics.Ended(reason)
	if reason == fanout.ReasonSlow {
		o.notices.slow.add("", nil)
	}
}

// gauges reads what the hub holds when it is asked.
type gauges struct{ hub *Hub }

var (
	connectionsDesc = prometheus.NewDesc("runnel_hub_connections", "Readers that are connected.", nil, nil)
	limitDesc       = prometheus.NewDesc("runnel_hub_connections_limit", "Readers that may be connected at a time, by configuration or by what the process may take; not there when it is any number.", nil, nil)
	retainedDesc    = prometheus.NewDesc("runnel_hub_retained_events", "Events retained, by declared topic.", []string{"topic"}, nil)
	bytesDesc       = prometheus.NewDesc("runnel_hub_retained_bytes", "Memory of retained events, the log's own overhead included.", nil, nil)
	topicsDesc      = prometheus.NewDesc("runnel_hub_topics", "Topics that are remembered.", nil, nil)
	headDesc        = prometheus.NewDesc("runnel_hub_sequence", "Sequence of the newest event.", nil, nil)
	missingDesc     = prometheus.NewDesc("runnel_hub_references_missing", "Entries of Secrets and ConfigMaps, and issuers' keys, that the hub waits for.", nil, nil)
	notAfterDesc    = prometheus.NewDesc("runnel_hub_certificate_not_after_timestamp_seconds", "When the certificate that clients are shown expires, in seconds since 1970.", nil, nil)
	roleDesc        = prometheus.NewDesc("runnel_hub_role", "1 for what the hub is to the other hubs of its stream, 0 for what it is not: starting, leading (it appends), following or superseded.", []string{"role"}, nil)
	configDesc      = prometheus.NewDesc("runnel_hub_config_info", "The configuration that runs, by its hash.", []string{"hash"}, nil)
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectionsDesc, limitDesc, retainedDesc, bytesDesc, topicsDesc, headDesc, missingDesc, notAfterDesc, roleDesc, configDesc} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(c chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	usage := g.hub.log.Usage()
	gauge(connectionsDesc, float64(g.hub.pool.Readers()))
	if limit := g.hub.state.Load().connections; limit > 0 {
		gauge(limitDesc, float64(limit))
	}
	gauge(bytesDesc, float64(usage.Bytes))
	gauge(topicsDesc, float64(usage.Topics))
	gauge(headDesc, float64(g.hub.log.Head().Seq))
	gauge(missingDesc, float64(len(g.hub.state.Load().missing())))
	now, _, _ := g.hub.peers.now()
	for _, role := range peer.Roles {
		gauge(roleDesc, map[bool]float64{true: 1}[role == now], string(role))
	}
	gauge(configDesc, 1, g.hub.state.Load().hash)
	if end := g.hub.certificate.notAfter(); !end.IsZero() {
		gauge(notAfterDesc, float64(end.Unix()))
	}
	for _, r := range usage.Rules {
		gauge(retainedDesc, float64(r.Events), r.Selector)
	}
}
