package eventlog

import (
	"slices"

	"github.com/runnel-dev/runnel/hub/event"
)

// TopicUsage is what one topic holds.
type TopicUsage struct {
	// Name of the topic.
	Name string
	// Events that are retained now, and the Bytes that they take, the log's own overhead for them included.
	Events int
	Bytes  int64
	// First and Last are the oldest and the newest retained event; zero when there is none.
	First, Last event.ID
	// Complete says that no event follows.
	Complete bool
}

// Topics returns the topics that there are, ordered by name: those that are declared by their exact name, and those of patterns that
// are remembered. It begins after a name, takes only those that keep lets through, and at most limit. More says that others follow.
func (m *Memory) Topics(after string, limit int, keep func(name string) bool) (topics []TopicUsage, more bool) {
	names := slices.DeleteFunc(m.names(), func(name string) bool { return name <= after || !keep(name) })
	slices.Sort(names)
	names = slices.Compact(names)
	if more = len(names) > limit; more {
		names = names[:limit]
	}
	for _, name := range names {
		if u, err := m.Topic(name); err == nil { // else it was removed a moment ago
			topics = append(topics, u)
		}
	}
	return topics, more
}

func (m *Memory) names() (names []string) {
	m.sweep(m.mu.RLocker(), func(t *topic, _ *int) bool {
		names = append(names, t.name)
		return true
	})
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, r := range m.rules {
		if r.Selector.Exact() {
			names = append(names, r.Selector.String())
		}
	}
	return names
}

// Topic returns what one topic holds. It fails with ErrUndeclared.
func (m *Memory) Topic(name string) (TopicUsage, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	u := TopicUsage{Name: name}
	t := m.topics.byName[name]
	if t == nil {
		if m.governing(name) == nil {
			return u, undeclared(name)
		}
		return u, nil
	}
	u.Events, u.Bytes, u.Complete = t.ring.count, t.bytes, t.complete
	if u.Events > 0 {
		u.First = event.ID{Epoch: m.Epoch(), Seq: t.ring.oldest().Seq}
		u.Last = event.ID{Epoch: m.Epoch(), Seq: t.ring.newest().Seq}
	}
	return u, nil
}
