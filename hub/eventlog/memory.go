package eventlog

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// entryOverhead is what an entry costs besides its frame: the Entry itself, its slot in a ring that is at worst half full,
// and the allocator's rounding.
const entryOverhead = 256

// keyOverhead is what a key costs besides its bytes: its place among the newest of its topic.
const keyOverhead = 96

// topicOverhead is what a topic costs besides its name and its events: the struct, its entry in a map that is at worst half full, its
// place among the idle, and the allocator's rounding.
const topicOverhead = 320

// Memory is a Log in memory. Its epoch is new each time, so there must be one of it for a stream.
type Memory struct {
	epoch string
	clock func() time.Time
	head  atomic.Uint64 // written under mu
	// watchers is replaced under mu, and never changed.
	watchers atomic.Pointer[[]chan<- struct{}]

	mu      sync.Mutex
	rules   []*rule // by precedence
	topics  map[string]*topic
	idle    []*topic // empty ones, idle for longest first; may hold some that are no longer
	ended   ended
	all     list
	marks   marks // into all
	bytes   int64
	limit   int64
	expiry  time.Time // of the entry that expires next, or earlier
	retired []*rule   // that are no longer declared, for what their topics lost
	linger  time.Duration
	full    []*topic // with more events than they keep, since some linger; may hold some that have no longer
	losers  *topic   // the topic that lost something last, which links to those before it
	lost    losses   // of all topics
	sent    duplicates
	drops   uint64 // counts entries that were dropped
}

// rule is a declared Rule with what it governs.
type rule struct {
	Rule
	aging list
	// floor includes the losses of all topics that were forgotten.
	floor losses
}

// topic is one topic's history.
type topic struct {
	name string
	rule *rule
	ring ring
	lost losses
	// older and newer are its neighbours among topics that lost something, by when they last did.
	older, newer *topic
	// bytes that its entries take.
	bytes int64
	// newest entry of each key; nil while no event has one.
	newest map[string]*Entry
	// complete says that no event follows.
	complete bool
	// idle says that it stands in Memory.idle, full that it stands in Memory.full.
	idle, full bool
}

// Linger is a good time for NewMemory: in a burst, all readers that take what they are sent have it within a part of a second.
const Linger = time.Second

// NewMemory returns an empty log. Events of all topics together take at most limit bytes, the log's own overhead for each
// included; the oldest go first.
//
// An event for which its topic has no more room lingers as long as given here after it was stored, within the limit: a burst longer
// than a topic is deep must not overtake the readers that are connected. Who comes back in that time finds it too. Who asks for all
// that is retained does not get it.
func NewMemory(rules []Rule, limit int64, linger time.Duration) *Memory {
	m := &Memory{
		epoch:  event.NewEpoch(),
		clock:  time.Now,
		limit:  limit,
		linger: linger,
		topics: map[string]*topic{},
		all:    list{via: globalLinks},
	}
	m.rules = newRules(rules)
	return m
}

func newRules(rules []Rule) []*rule {
	out := make([]*rule, len(rules))
	for i, r := range rules {
		out[i] = &rule{Rule: r, aging: list{via: agingLinks}}
	}
	slices.SortFunc(out, func(a, b *rule) int { return a.Selector.Compare(b.Selector) })
	return out
}

// Epoch of the log's ids.
func (m *Memory) Epoch() string { return m.epoch }

// Head implements Log.
func (m *Memory) Head() event.ID { return event.ID{Epoch: m.epoch, Seq: m.head.Load()} }

// Notify implements Log.
func (m *Memory) Notify(c chan<- struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	watchers := []chan<- struct{}{c}
	if old := m.watchers.Load(); old != nil {
		watchers = slices.Concat(*old, watchers)
	}
	m.watchers.Store(&watchers)
}

// Append implements Log.
func (m *Memory) Append(e *event.Event) (Receipt, error) {
	draft := event.NewDraft(e, m.epoch, m.head.Load()+1)
	id, payload := identity(e)
	return m.append(e, &draft, id, payload)
}

// Announce implements Log.
func (m *Memory) Announce() {
	watchers := m.watchers.Load()
	if watchers == nil {
		return
	}
	for _, w := range *watchers {
		select {
		case w <- struct{}{}:
		default: // it is already told
		}
	}
}

// append is what needs the lock.
func (m *Memory) append(e *event.Event, draft *event.Draft, id, payload digest) (Receipt, error) {
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.ID != "" {
		if receipt, found, err := m.sent.find(id, payload, now); found || err != nil {
			return receipt, err
		}
	}
	t, err := m.topic(e.Topic)
	if err != nil {
		return Receipt{}, err
	}
	if t.complete {
		return Receipt{}, fmt.Errorf("topic %s %w", t.name, ErrComplete)
	}
	seq := m.head.Load() + 1
	entry := &Entry{Seq: seq, Topic: t.name, Frame: draft.Stamp(seq), At: now, Last: e.Last, topic: t, key: strings.Clone(e.Key)} // a key too may be a part of a long request
	if need := entry.cost() + t.cost(); need > m.limit {
		m.rest(t)
		return Receipt{}, fmt.Errorf("%w: it takes %d bytes of %d", ErrTooLarge, need, m.limit)
	}
	if e.TTL > 0 {
		entry.until = now.Add(e.TTL)
	}
	m.store(t, entry)
	t.complete = e.Last
	m.head.Store(seq)
	m.evict(t, now)
	receipt := Receipt{ID: event.ID{Epoch: m.epoch, Seq: seq}, Rule: t.rule.Selector.String()}
	if e.ID != "" {
		m.sent.remember(id, payload, receipt, now)
	}
	return receipt, nil
}

// Stale says that the event's own time to live is over: it is not sent any more, and no loss when it is dropped.
func (e *Entry) Stale(now time.Time) bool { return !e.until.IsZero() && !now.Before(e.until) }

func (m *Memory) store(t *topic, e *Entry) {
	t.supersede(e)
	t.ring.push(e)
	t.rule.aging.push(e)
	m.all.push(e)
	m.marks.push(e)
	m.bytes += e.cost()
	t.bytes += e.cost()
	if due := e.At.Add(t.rule.Age); m.expiry.IsZero() || due.Before(m.expiry) {
		m.expiry = due
	}
}

func (e *Entry) cost() int64 {
	cost := int64(e.Frame.Bytes()) + entryOverhead
	if e.key != "" {
		cost += int64(len(e.key)) + keyOverhead
	}
	return cost
}

// topic returns a declared topic, and makes it at its first event.
func (m *Memory) topic(name string) (*topic, error) {
	if t := m.topics[name]; t != nil {
		return t, nil
	}
	if err := m.covered(name); err != nil {
		return nil, err
	}
	name = strings.Clone(name) // it may be a part of a much longer request
	t := &topic{name: name, rule: m.governing(name), lost: m.floor(name)}
	m.topics[name] = t
	m.bytes += t.cost()
	return t, nil
}

// cost of a topic beside its events.
func (t *topic) cost() int64 { return topicOverhead + int64(len(t.name)) }

// covered is ErrUndeclared for a topic that no rule governs.
func (m *Memory) covered(name string) error {
	if m.governing(name) == nil {
		return fmt.Errorf("topic %s %w", name, ErrUndeclared)
	}
	return nil
}

func (m *Memory) governing(name string) *rule {
	for _, r := range m.rules {
		if r.Selector.Match(name) {
			return r
		}
	}
	return nil
}
