package eventlog

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// entryOverhead is what an entry costs besides its frame: the Entry itself, its slot in a ring that is at worst half full, its slot in
// the order of all, and the allocator's rounding.
const entryOverhead = 144

// keyOverhead is what a key costs besides its bytes: its place among the newest of its topic.
const keyOverhead = 88

// topicOverhead is what a topic costs besides its name, its events and its nodes in a tree: the struct, its entry in a map that is at
// worst half full, and the allocator's rounding.
const topicOverhead = 330

// nodeOverhead is what a node of the tree costs, with its place in the one above.
const nodeOverhead = 96

// Memory is a Log in memory. Its epoch is new each time, so there must be one of it for a stream, but for copies: a Memory hands its
// epoch, its sequence and its history over to another one (see Feed), and only one of them is not sealed.
type Memory struct {
	epoch  atomic.Pointer[string] // written under mu
	clock  func() time.Time
	began  time.Time
	linger time.Duration
	head   atomic.Uint64 // written under mu
	// watchers is replaced under mu, and never changed.
	watchers atomic.Pointer[[]chan<- struct{}]
	merges   sync.Pool // of *merge

	// configuring is held by one Configure at a time, and comes before mu.
	configuring sync.Mutex

	mu    sync.RWMutex
	limit int64
	// declarations counts how often rules were declared anew.
	declarations uint64
	replica
	history
}

// history is what a log holds, and knows of what it held.
type history struct {
	rules  []*rule // by precedence; written with configuring held too
	topics topics
	// full are the topics with more events than they keep, since some linger. idle are the empty ones that are forgotten when there
	// are too many, and ended those of them that are complete.
	full, idle, ended chain
	ages              ages
	all               order
	bytes             int64
	lingering         int64   // bytes of events that their topics have no room for
	retired           []*rule // that are no longer declared, for what their topics lost; written with configuring held too
	losers            chain   // topics that lost something, by when they last did
	lost              losses  // of all topics
	drops             uint64  // counts entries that were dropped
	// ahead is the count of drops before the first of those that are newer than the log's head: what it is a copy of lost them.
	ahead uint64
	sent  duplicates
	ends  journal
}

func newHistory(rules []*rule) history {
	return history{
		rules:  rules,
		topics: topics{byName: map[string]*topic{}},
		full:   chain{via: standing},
		idle:   chain{via: standing},
		ended:  chain{via: standing},
		losers: chain{via: losing},
	}
}

// rule is a declared Rule with what it governs.
type rule struct {
	Rule
	// events of its topics.
	events int
	// floor includes the losses of all topics that were forgotten.
	floor losses
	// any are those of its losses that may be of any topic, also of one that there is: another log had forgotten which. They are in the
	// floor too.
	any losses
}

// Linger is a good time for NewMemory: in a burst, all readers that take what they are sent have it within a part of a second.
const Linger = time.Second

// NewMemory returns an empty log. Events of all topics together take at most limit bytes, the log's own overhead for each
// included; the oldest go first. The ids of the last two minutes take memory besides, about 25 MB at most.
//
// An event for which its topic has no more room lingers as long as given here after it was stored: a burst longer than a topic is deep
// must not overtake the readers that are connected. Where memory is short, such events have an eighth of the limit. Who comes back in
// that time finds them too. Who asks for all that is retained does not get them.
func NewMemory(rules []Rule, limit int64, linger time.Duration) *Memory {
	m := &Memory{
		clock:   time.Now,
		began:   time.Now(),
		limit:   limit,
		linger:  linger,
		history: newHistory(newRules(rules)),
		merges:  sync.Pool{New: func() any { return &merge{} }},
	}
	epoch := event.NewEpoch()
	m.epoch.Store(&epoch)
	return m
}

func newRules(rules []Rule) []*rule {
	out := make([]*rule, len(rules))
	for i, r := range rules {
		out[i] = &rule{Rule: r}
	}
	slices.SortFunc(out, func(a, b *rule) int { return a.Selector.Compare(b.Selector) })
	return out
}

// Epoch of the log's ids.
func (m *Memory) Epoch() string { return *m.epoch.Load() }

// Head implements Log.
func (m *Memory) Head() event.ID { return event.ID{Epoch: m.Epoch(), Seq: m.head.Load()} }

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

// time is a clock's time by the log's own, which nobody sets.
func (m *Memory) time(now time.Time) time.Duration { return now.Sub(m.began) }

// Append implements Log.
func (m *Memory) Append(e *event.Event) (Receipt, error) {
	now := m.clock()
	epoch := m.epoch.Load()
	draft, entry := event.NewDraft(e, *epoch, m.head.Load()+1), newEntry(e, now, m.time(now))
	var id, payload digest
	if e.ID != "" {
		id, payload = identity(e)
	}
	receipt, fits, err := m.append(e, epoch, &draft, entry, id, payload, now)
	if !fits {
		m.inSteps(func(steps *int) bool { return m.shrink(now, steps) })
	}
	return receipt, err
}

// append is what needs the lock. It says whether the log keeps to its limit.
func (m *Memory) append(e *event.Event, epoch *string, draft *event.Draft, entry *Entry, id, payload digest, now time.Time) (receipt Receipt, fits bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sealed {
		return Receipt{}, true, ErrSealed
	}
	if now := m.epoch.Load(); now != epoch { // it began anew meanwhile
		epoch = now
		*draft = event.NewDraft(e, *epoch, m.head.Load()+1)
	}
	receipt.ID.Epoch = *epoch
	if e.ID != "" {
		k, found, err := m.sent.find(id, payload, entry.at)
		if err != nil {
			return Receipt{}, true, err
		}
		if found {
			receipt.ID.Seq, receipt.Rule, receipt.Duplicate = k.seq, k.rule, true
			return receipt, true, nil
		}
	}
	seq := m.head.Load() + 1
	entry.Seq, entry.Frame = seq, draft.Stamp(seq)
	// Before its topic is made, or refused events would fill the log with topics that hold none.
	if need := entry.cost() + mostCost(e.Topic); need > m.limit {
		return Receipt{}, true, fmt.Errorf("%w: it takes %d bytes of %d", ErrTooLarge, need, m.limit)
	}
	t, err := m.topic(e.Topic)
	if err != nil {
		return Receipt{}, true, err
	}
	if t.complete {
		return Receipt{}, true, fmt.Errorf("topic %s %w", t.name, ErrComplete)
	}
	entry.Topic, entry.topic = t.name, t
	m.store(t, entry, m.drops)
	if t.complete = e.Last; t.complete {
		m.ends.note(t.name)
	}
	m.head.Store(seq)
	receipt.ID.Seq, receipt.Rule = seq, t.rule.Selector.String()
	if e.ID != "" {
		m.sent.remember(id, known{payload, seq, receipt.Rule, entry.at})
	}
	return receipt, m.evict(t, now), nil
}

// store adds an entry that is newer than all others. Who comes back from before it counts as told of so many drops.
func (m *Memory) store(t *topic, e *Entry, drops uint64) {
	cost := e.cost()
	m.bytes += cost
	t.bytes += cost
	t.rule.events++
	t.supersede(e)
	t.lasting.push(e)
	t.ring.push(e)
	m.all.push(e, drops)
	if t.ring.count == 1 {
		m.ages.note(t)
		m.settle(t)
	}
}
