package eventlog

import (
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Complete implements Log.
func (m *Memory) Complete(name string) (event.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.topic(name)
	if err != nil {
		return event.ID{}, err
	}
	t.complete = true
	m.rest(t)
	m.shrink(m.clock())
	return m.Head(), nil
}

// complete says whether nothing follows a position and nothing ever will. The log is locked. A pattern never ends: a new topic may
// always come.
func (s *Subscription) complete(after uint64, now time.Time) bool {
	if len(s.patterns) > 0 {
		return false
	}
	for _, name := range s.names {
		t := s.log.topics[name]
		if t == nil || !t.complete || s.follows(t, after, now) {
			return false
		}
	}
	return true
}

// ended are empty topics that are complete, those that became so first at the front. Readers who come late are to be told of the
// end, so they outlive other empty topics and events, but take no more than a part of the log.
type ended struct {
	topics []*topic
	bytes  int64
}

// endedShare is the part of a log's limit that ended topics take at most.
const endedShare = 8

func (e *ended) push(t *topic, m *Memory) {
	e.topics = append(e.topics, t)
	e.bytes += t.cost()
	for len(e.topics) > maxIdleTopics || e.bytes > m.limit/endedShare {
		e.pop(m)
	}
}

// pop forgets one topic, and says whether there was one.
func (e *ended) pop(m *Memory) bool {
	for len(e.topics) > 0 {
		t := e.topics[0]
		e.topics = e.topics[1:]
		e.bytes -= t.cost()
		if m.topics[t.name] == t {
			m.forget(t)
			return true
		}
	}
	return false
}

// follows says whether a topic holds anything for a reader after a position. What is stale it would never get: it would be let in,
// told of the end without having moved, and come back to the same for ever.
func (s *Subscription) follows(t *topic, after uint64, now time.Time) bool {
	for i := t.ring.after(s.from(t, after)); i < t.ring.count; i++ {
		if !t.ring.at(i).Stale(now) {
			return true
		}
	}
	return false
}
