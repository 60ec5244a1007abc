package eventlog

import "slices"

// Unnotify takes away a channel that Notify added. It may still be sent to once by an Announce that is under way.
func (m *Memory) Unnotify(c chan<- struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.watchers.Load()
	if old == nil {
		return
	}
	watchers := slices.DeleteFunc(slices.Clone(*old), func(w chan<- struct{}) bool { return w == c })
	m.watchers.Store(&watchers)
}
