package render

import (
	"cmp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/hub/config"
)

// Resolved is an EventStream with every value filled in: what its spec says, else the built-in value.
type Resolved struct {
	// Namespace and Name are the stream's.
	Namespace, Name string
	// Topics with their own or the stream's retention, in the spec's order.
	Topics []config.Topic
	// RetentionBytes bounds the history of the whole hub.
	RetentionBytes int64
	// HeartbeatInterval is the longest silence on a connection.
	HeartbeatInterval time.Duration
	// HeartbeatMinimum is the shortest interval that a subscriber may ask for.
	HeartbeatMinimum time.Duration
	// ReconnectDelay is the shortest time after which a reader comes back.
	ReconnectDelay time.Duration
	// MaxConnectionAge ends a connection.
	MaxConnectionAge time.Duration
	// DrainWindow is the time over which a stopping hub closes its connections.
	DrainWindow time.Duration
	// ConnectionsPerHub is how many subscribers may be connected at a time; 0 is as many as descriptors and memory allow.
	ConnectionsPerHub int
	// ConnectionsPerIdentity at a time; 0 is no limit.
	ConnectionsPerIdentity int
	// MaxEventSize is the largest payload of one event.
	MaxEventSize int64
	// EventsPerSecondPerPublisher is how many events a second each publisher may send; 0 is no limit.
	EventsPerSecondPerPublisher int
	// CORS as in the spec: unset, no page of another origin may read.
	CORS v1alpha1.CORS
	// Subscribers says who may read; each reference has a key.
	Subscribers config.Subscribers
	// AnonymousPublishers lets everybody publish; PublisherGrants and PublisherKeys are then empty.
	AnonymousPublishers bool
	// PublisherGrants says which ServiceAccounts may publish where; each has a namespace and topics.
	PublisherGrants []config.Grant
	// PublisherKeys are static tokens by which one may publish; each has topics and a reference with a key.
	PublisherKeys []config.Key
	// TLSSecret names the Secret with the certificate; empty leaves the ports in clear text.
	TLSSecret string
	// Resources of the hub's container.
	Resources corev1.ResourceRequirements
	// Template is what else the spec adds to the pods; its own Resources are not to be read.
	Template v1alpha1.HubTemplate
}

// InvalidError says why a spec cannot be carried out though the API server let it pass. Only a change of the spec helps.
type InvalidError struct {
	// Problems holds at least one sentence, each beginning with the path of a field below spec.
	Problems []string
}

// Error joins the problems.
func (e *InvalidError) Error() string { return strings.Join(e.Problems, "; ") }

// Resolve fills in what s leaves unset. Its error is an *InvalidError with all that is wrong.
func Resolve(s *v1alpha1.EventStream) (Resolved, error) {
	v := &reader{}
	spec := &s.Spec
	r := Resolved{
		Namespace:         s.Namespace,
		Name:              s.Name,
		Topics:            v.topics(spec),
		RetentionBytes:    quantity(spec.Retention.Bytes, config.DefaultRetentionBytes),
		HeartbeatInterval: v.duration("heartbeat.interval", spec.Heartbeat.Interval, config.DefaultHeartbeatInterval),
		ReconnectDelay:    v.duration("reconnect.delay", spec.Reconnect.Delay, config.DefaultReconnectDelay),
		MaxConnectionAge:  v.duration("reconnect.maxConnectionAge", spec.Reconnect.MaxConnectionAge, config.DefaultMaxConnectionAge),
		DrainWindow:       v.duration("drain.window", spec.Drain.Window, config.DefaultDrainWindow),
		MaxEventSize:      quantity(spec.Limits.MaxEventSize, config.DefaultMaxEventSize),
		CORS:              spec.CORS,
		Resources:         defaultResources(),
	}
	r.HeartbeatMinimum = v.duration("heartbeat.minimum", spec.Heartbeat.Minimum, min(config.DefaultHeartbeatMinimum, r.HeartbeatInterval))
	r.ConnectionsPerHub, r.ConnectionsPerIdentity = number(spec.Limits.ConnectionsPerHub), number(spec.Limits.ConnectionsPerIdentity)
	r.EventsPerSecondPerPublisher = number(spec.Limits.EventsPerSecondPerPublisher)
	if spec.Auth != nil {
		r.Subscribers = v.subscribers(spec.Auth.Subscribers)
	}
	r.AnonymousPublishers, r.PublisherGrants, r.PublisherKeys = publishers(s)
	if spec.TLS != nil {
		r.TLSSecret = spec.TLS.SecretName
	}
	if t := spec.Template; t != nil {
		r.Template = *t
		if t.Resources != nil {
			r.Resources = *t.Resources
			r.Resources.Requests, r.Resources.Limits = rounded(t.Resources.Requests), rounded(t.Resources.Limits)
		}
	}
	v.problems = append(v.problems, unknownProblems(spec)...)
	v.problems = append(v.problems, limitProblems(r)...)
	v.problems = append(v.problems, resourceProblems(r)...)
	if len(v.problems) > 0 {
		return Resolved{}, &InvalidError{Problems: v.problems}
	}
	return r, nil
}

// defaultResources let 40,000 subscribers in clear text and the built-in retention fit; there is no CPU limit, since throttling shows as latency.
func defaultResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("100m"),
			corev1.ResourceMemory: resource.MustParse("128Mi"),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
	}
}

// rounded is the list as the API server keeps it in a pod: rounded up to thousandths. What it would change would be applied for ever.
func rounded(l corev1.ResourceList) corev1.ResourceList {
	l = l.DeepCopy()
	for name, quantity := range l {
		if !quantity.RoundUp(resource.Milli) {
			l[name] = quantity
		}
	}
	return l
}

// reader parses the spec's values and gathers what it cannot read.
type reader struct{ problems []string }

func (v *reader) topics(spec *v1alpha1.EventStreamSpec) []config.Topic {
	age := v.duration("retention.age", spec.Retention.Age, config.DefaultRetentionAge)
	events := cmp.Or(number(spec.Retention.Events), config.DefaultRetentionEvents)
	topics := make([]config.Topic, 0, len(spec.Topics))
	for _, t := range spec.Topics {
		topics = append(topics, config.Topic{
			Name:   t.Name,
			Events: cmp.Or(number(t.Retention.Events), events),
			Age:    config.Duration(v.duration("topics["+t.Name+"].retention.age", t.Retention.Age, age)),
		})
	}
	return topics
}

func (v *reader) duration(path string, d v1alpha1.Duration, fallback time.Duration) time.Duration {
	parsed, err := d.Parse(fallback)
	if err != nil {
		v.problems = append(v.problems, path+": "+err.Error())
	}
	return parsed
}

// quantity returns q in whole units, or fallback when it is unset.
func quantity(q *resource.Quantity, fallback int64) int64 {
	if q == nil {
		return fallback
	}
	return q.Value()
}

// number returns n, or 0 when it is unset.
func number(n *int32) int { return int(ptr.Deref(n, 0)) }
