package eventlog

import (
	"errors"
	"fmt"
	"slices"

	"github.com/runnel-dev/runnel/hub/event"
)

// replica is what a log knows of itself as one of several with the same epoch, of which one appends. It is guarded by mu.
type replica struct {
	// sealed says that it does not append.
	sealed bool
	// filling says that it is made a copy and nobody reads it yet. fresh says that besides it holds nothing but what it is told first.
	filling, fresh bool
	// ending are topics that are complete when the log has come as far as said, and endingAt is when it has for all of them.
	ending   map[string]uint64
	endingAt uint64
}

// ErrSealed says that another log of the same epoch appends.
var ErrSealed = errors.New("another log of this epoch appends now")

// Seal ends the log's right to append: Append and Complete fail with ErrSealed from then on. It returns the position of its end, which
// is the same when it is said again. From then on the log may be told what another one appends, by Replicate.
func (m *Memory) Seal() Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sealed = true
	return m.position()
}

// Sealed says whether the log has no right to append.
func (m *Memory) Sealed() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.sealed
}

// Position is how far the log has come. That of a copy is where to feed it on from.
func (m *Memory) Position() Position {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.position()
}

func (m *Memory) position() Position {
	return Position{Seq: m.head.Load(), IDs: m.sent.total(), Completions: m.ends.total}
}

// Unseal gives a sealed log the right to append, from its next sequence on. It fails when it has not come as far as the end of the log
// that had the right before, which Seal returned there: that one must be sealed, or two would use the same sequences.
func (m *Memory) Unseal(end Position) error {
	if err := m.unseal(end); err != nil {
		return err
	}
	m.inSteps(func(steps *int) bool { // what was not forgotten while the copy was filled
		for ; m.idle.count > maxIdleTopics && *steps > 0; *steps-- {
			m.forget(m.idle.oldest)
		}
		for ; m.ended.count > maxIdleTopics && *steps > 0; *steps-- {
			m.forget(m.ended.oldest)
		}
		return *steps > 0
	})
	return nil
}

func (m *Memory) unseal(end Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.position(); !at.covers(end) {
		return fmt.Errorf("the copy has come to %+v of %+v: replicate the rest first", at, end)
	}
	m.replica = replica{}
	return nil
}

// Copy empties the log and makes it a sealed copy of one with another epoch, to be filled by Replicate with what that one's Feed tells
// from the beginning. It takes over rules with the records, and keeps its own limit. No subscription and no feed of it may exist. It
// fails when the epoch is none.
func (m *Memory) Copy(epoch string) error {
	if _, ok := event.ParseID(event.ID{Epoch: epoch}.String()); !ok {
		return fmt.Errorf("%.64q is no epoch: copy a log by the epoch of its head", epoch)
	}
	m.begin(epoch, nil, replica{sealed: true, filling: true})
	return nil
}

// Restart empties the log, draws a new epoch and gives it the right to append. Its rules stay. No subscription and no feed of it may
// exist.
func (m *Memory) Restart() {
	m.mu.RLock()
	var rules []Rule
	for _, r := range m.rules {
		rules = append(rules, r.Rule)
	}
	m.mu.RUnlock()
	m.begin(event.NewEpoch(), rules, replica{})
}

func (m *Memory) begin(epoch string, rules []Rule, as replica) {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch.Store(&epoch)
	m.head.Store(0)
	m.history, m.replica = newHistory(newRules(rules)), as
	m.declarations++
}

// ruledBy says whether the log's rules are these.
func (m *Memory) ruledBy(rules []*rule) bool {
	return slices.EqualFunc(m.rules, rules, func(a, b *rule) bool {
		return a.Selector.String() == b.Selector.String() && a.Events == b.Events && a.Age == b.Age
	})
}
