package eventlog

// supersede notes that an entry, which is about to be stored, replaces the newest one of its key. Most topics know no keys: there
// the newest entry is the one before, and no map is kept.
func (t *topic) supersede(e *Entry) {
	if t.newest == nil {
		if e.key == nil {
			if t.ring.count > 0 {
				t.ring.newest().superseded = true
			}
			return
		}
		t.newest = map[string]*Entry{}
		if t.ring.count > 0 {
			t.newest[""] = t.ring.newest()
		}
	}
	key := e.keyText()
	if before := t.newest[key]; before != nil {
		before.superseded = true
	}
	t.newest[key] = e
}

// unsupersede forgets an entry that left the topic.
func (t *topic) unsupersede(e *Entry) {
	if t.newest == nil {
		return
	}
	if key := e.keyText(); t.newest[key] == e {
		delete(t.newest, key)
	}
	if t.ring.count == 0 {
		t.newest = nil
	}
}
