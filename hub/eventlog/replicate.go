package eventlog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Replicate takes over what happened in the log that this one is a copy of: the records of a Feed in their order, in as many calls as
// one likes. It returns the topics that are complete since; the caller announces, and wakes their readers. The copy drops what is due
// by itself, and notes as lost what the other log lost and it never had. It keeps the slices of frames, and keys.
//
// It fails when the log is not sealed, and on a record that no feed of such a log tells; some of those before may not be taken over then
// either. To feed it on from its Position is always right.
func (m *Memory) Replicate(records []Record) (ended []string, err error) {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	for len(records) > 0 {
		if r := records[0].Rules; r != nil {
			if err := m.adopt(r); err != nil {
				return ended, err
			}
			records = records[1:]
			continue
		}
		now := m.clock()
		taken, fits, err := m.replicate(records[:min(len(records), stepsOfHold)], now)
		if err != nil {
			return ended, err
		}
		if !fits {
			m.inSteps(func(steps *int) bool { return m.shrink(now, steps) })
		}
		ended = append(ended, m.end()...)
		records = records[taken:]
	}
	return ended, nil
}

var errAppends = errors.New("the log appends by itself: replicate only to one that is sealed")

// adopt declares the other log's rules. A copy that has not come farther than what a feed begins with begins anew, since the other log
// may have forgotten meanwhile which topics lost something.
func (m *Memory) adopt(r *RecordedRules) error {
	rules := make([]Rule, len(r.Rules))
	for i, one := range r.Rules {
		s, err := event.ParseSelector(one.Selector)
		if err != nil {
			return err
		}
		rules[i] = Rule{s, max(1, one.Events), one.Age}
	}
	m.mu.Lock()
	if !m.sealed {
		m.mu.Unlock()
		return errAppends
	}
	if r.First && m.filling && m.head.Load() == 0 {
		m.history = newHistory(nil)
		m.replica = replica{sealed: true, filling: true, fresh: true}
	}
	m.fresh = m.fresh && len(m.topics.all) == 0
	same, limit := m.ruledBy(newRules(rules)), m.limit
	m.mu.Unlock()
	if !same {
		m.configure(rules, limit)
	}
	return nil
}

// replicate takes over records up to the next rules, and stops where the log does not keep to its limit.
func (m *Memory) replicate(records []Record, now time.Time) (taken int, fits bool, err error) {
	epoch, at := m.Epoch(), m.time(now)
	entries := make([]*Entry, len(records)) // made before the log is locked
	for i, r := range records {
		if r.Rules != nil {
			records = records[:i]
			break
		}
		if r.Event != nil {
			if entries[i], err = r.Event.entry(epoch, at); err != nil {
				return 0, true, err
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.sealed {
		return 0, true, errAppends
	}
	for i, r := range records {
		switch {
		case r.Lost != nil:
			err = m.replicateLoss(r.Lost)
		case r.Complete != nil:
			m.awaitEnd(r.Complete)
		case r.Event != nil:
			err = m.replicateEvent(r.Event, entries[i], now)
		case r.ID != nil:
			m.replicateID(r.ID, at)
		case r.UpTo != nil:
			m.replicatePosition(*r.UpTo)
		default:
			err = fmt.Errorf("a record tells nothing: feed a copy from a log of the same version")
		}
		if err != nil {
			return i, true, err
		}
		if over := stepsOfHold; !m.shrink(now, &over) {
			return i + 1, false, nil
		}
	}
	return len(records), true, nil
}

func (m *Memory) replicateEvent(r *RecordedEvent, e *Entry, now time.Time) error {
	if head := m.head.Load(); e.Seq <= head {
		return fmt.Errorf("event %d is not newer than %d: feed a copy from its position on", e.Seq, head)
	}
	t := m.topics.byName[r.Topic]
	if t == nil {
		if err := event.ValidateTopic(r.Topic); err != nil {
			return err
		}
		if m.governing(r.Topic) == nil {
			m.drops++
			l := loss{seq: e.Seq, at: m.drops, stored: e.stored}
			m.chargeAnywhere(losses{l, l})
			m.head.Store(e.Seq)
			return nil
		}
		var err error
		if t, err = m.topic(r.Topic); err != nil {
			return err
		}
	}
	if m.ending[t.name] < e.Seq {
		delete(m.ending, t.name)
	}
	t.complete = e.Last
	e.Topic, e.topic = t.name, t
	m.head.Store(e.Seq)
	if e.cost()+mostCost(t.name) > m.limit {
		m.loses(t, e)
		m.settle(t)
		return nil
	}
	// Who comes back from here is told of what was lost by the other log too, whenever that was told to this one.
	m.store(t, e, 0)
	m.evict(t, now)
	return nil
}

// replicateLoss notes a loss as one of now, as all are that readers were not told of yet.
func (m *Memory) replicateLoss(r *RecordedLoss) error {
	if r.All.Seq > 0 {
		if m.lost.all.seq <= m.head.Load() {
			m.ahead = m.drops
		}
		m.drops++
	}
	lost := r.losses(m.drops)
	if r.Of == LosersTopic {
		if err := event.ValidateTopic(r.Selector); err != nil {
			return err
		}
		t, err := m.topic(r.Selector)
		switch {
		case err == nil && r.All.Seq > 0:
			m.charge(t, &lost)
			m.settle(t)
		case err == nil:
			m.settle(t)
		case r.All.Seq > 0:
			m.chargeAnywhere(lost)
		}
		return nil
	}
	s, err := event.ParseSelector(r.Selector)
	if err != nil {
		return err
	}
	m.chargeRule(&rule{Rule: Rule{Selector: s}}, lost, r.Of == LosersAny || !m.fresh)
	return nil
}

// chargeRule notes what some topics of a rule lost that the other log has forgotten: any of its topics, where this one may have them.
func (m *Memory) chargeRule(as *rule, lost losses, any bool) {
	r := find(m.rules, as)
	if r == nil {
		r = find(m.retired, as)
	}
	if r == nil {
		r = as
		m.retired = append(slices.Clip(m.retired), r)
	}
	if r.floor.include(lost); any {
		r.any.include(lost)
	}
	m.lost.include(lost)
}

// chargeAnywhere notes what a topic lost that no rule covers: any that there is not may be it, when it is declared again.
func (m *Memory) chargeAnywhere(lost losses) {
	all, err := event.ParseSelector(event.ManyTokens)
	if err != nil {
		panic(err) // it is one
	}
	m.chargeRule(&rule{Rule: Rule{Selector: all}}, lost, false)
}

func (m *Memory) replicateID(r *RecordedID, now time.Duration) {
	at := now - max(0, r.Age)
	if k, found := m.sent.known[r.ID]; now-at >= duplicateWindow || found && k.seq == r.Seq {
		return
	}
	text := r.Rule
	for _, rule := range m.rules {
		if rule.Selector.String() == text {
			text = rule.Selector.String() // all ids share it
			break
		}
	}
	m.sent.remember(r.ID, known{r.Payload, r.Seq, text, at})
}

func (m *Memory) replicatePosition(p Position) {
	m.head.Store(max(m.head.Load(), p.Seq))
	m.sent.gone = max(p.IDs, m.sent.total()) - uint64(m.sent.order.count)
	if m.ends.total != p.Completions {
		m.ends = journal{total: p.Completions}
	}
	m.fresh = false
}

// awaitEnd notes that a topic is complete, for when the log has come as far, or that it is not any more.
func (m *Memory) awaitEnd(r *RecordedEnd) {
	if r.Forgotten {
		delete(m.ending, r.Topic)
		if t := m.topics.byName[r.Topic]; t != nil {
			t.complete = false
			m.settle(t)
		}
		return
	}
	if m.ending == nil {
		m.ending = map[string]uint64{}
	}
	m.ending[r.Topic] = r.Head
	m.endingAt = max(m.endingAt, r.Head)
	if t, err := m.topic(r.Topic); err == nil {
		m.settle(t)
	}
}

// end completes the topics that are, once the log has come as far as it was told of any, and returns those that were not before.
func (m *Memory) end() (ended []string) {
	m.mu.Lock()
	if len(m.ending) == 0 || m.head.Load() < m.endingAt {
		m.mu.Unlock()
		return nil
	}
	names := slices.Collect(maps.Keys(m.ending))
	m.ending, m.endingAt = nil, 0
	m.mu.Unlock()
	m.inSteps(func(steps *int) bool {
		for ; len(names) > 0 && *steps > 0; *steps-- {
			t, err := m.topic(names[0])
			names = names[1:]
			if err != nil || t.complete {
				continue
			}
			t.complete = true
			ended = append(ended, t.name)
			m.settle(t)
		}
		return len(names) == 0
	})
	return ended
}
