package eventlog

import "github.com/runnel-dev/runnel/hub/event"

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
func (s *Subscription) complete(after uint64) bool {
	if len(s.patterns) > 0 {
		return false
	}
	for _, name := range s.names {
		t := s.log.topics[name]
		if t == nil || !t.complete || t.ring.after(s.from(t, after)) < t.ring.count {
			return false
		}
	}
	return true
}
