package eventlog

// supersede notes that an entry, which is about to be stored, replaces the newest one of its key. Most topics know no keys: there
// the newest entry is the one before, and no map is kept.
func (t *topic) supersede(e *Entry) {
	if t.newest == nil {
		var before *Entry
		if t.ring.count > 0 {
			before = t.ring.at(t.ring.count - 1)
		}
		if e.key == "" {
			if before != nil {
				before.superseded = true
			}
			return
		}
		t.newest = map[string]*Entry{}
		if before != nil {
			t.newest[""] = before
		}
	}
	if before := t.newest[e.key]; before != nil {
		before.superseded = true
	}
	t.newest[e.key] = e
}

// unsupersede forgets an entry that left the topic.
func (t *topic) unsupersede(e *Entry) {
	if t.newest[e.key] == e {
		delete(t.newest, e.key)
	}
	if t.ring.count == 0 {
		t.newest = nil
	}
}
