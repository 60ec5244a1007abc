package eventlog

import (
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// Complete implements Log.
func (m *Memory) Complete(name string) (event.ID, error) {
	now := m.clock()
	end, err := m.complete(name)
	if err != nil {
		return end, err
	}
	m.inSteps(func(steps *int) bool { return m.shrink(now, steps) })
	return end, nil
}

func (m *Memory) complete(name string) (event.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sealed {
		return event.ID{}, ErrSealed
	}
	t, err := m.topic(name)
	if err != nil {
		return event.ID{}, err
	}
	if !t.complete {
		m.ends.note(t.name)
	}
	t.complete = true
	m.settle(t)
	return m.Head(), nil
}

// complete says whether nothing follows a position and nothing ever will. The log is locked. A pattern never ends: a new topic may
// always come.
func (s *Subscription) complete(after uint64, now time.Time) bool {
	if len(s.patterns) > 0 {
		return false
	}
	for _, name := range s.names {
		t := s.log.topics.byName[name]
		if t == nil || !t.complete || s.follows(t, after, now) {
			return false
		}
	}
	return true
}

// follows says whether a topic holds anything for a reader after a position. What is stale it would never get: it would be let in,
// told of the end without having moved, and come back to the same for ever.
func (s *Subscription) follows(t *topic, after uint64, now time.Time) bool {
	newest := t.lasting.newest(now)
	return t.ring.count > 0 && newest >= t.ring.oldest().Seq && newest > s.from(t, after)
}

// maxEnds bounds the names in a journal: a feed is nearly always far fewer behind, and one that is not looks at each topic.
const maxEnds = 4096

// journal is the topics that were completed last, or were complete when they were forgotten.
type journal struct {
	names queue[string]
	total uint64 // of all that ever were
}

func (j *journal) note(name string) {
	j.total++
	if j.names.push(name); j.names.count > maxEnds {
		j.names.pop()
	}
}

// first is the count before the oldest name.
func (j *journal) first() uint64 { return j.total - uint64(j.names.count) }

// since calls f for those after so many. It says no when it does not know them all any more.
func (j *journal) since(total uint64, f func(name string)) bool {
	first := j.first()
	if total < first {
		return false
	}
	for ; total < j.total; total++ {
		f(j.names.at(int(total - first)))
	}
	return true
}
