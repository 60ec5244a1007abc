package eventlog

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Feed tells a copy what happens in a log: first what is not in its events, which are its rules, what its topics lost and which are
// complete, and then its events and the ids of publishers as they come. A copy is filled, and kept up, like this:
//
//	copied.Copy(origin.Epoch())                   // or it was the origin itself, and is sealed
//	feed, err := origin.Feed(copied.Position())
//	for records, more := feed.Next(…) … { copied.Replicate(records); copied.Announce() }
//	end := origin.Seal()                          // when the copy is near the end
//	…                                             // what is left of the feed
//	copied.Unseal(end)
//
// From then on the copy appends, the origin may be fed by it from its own position on, and so be another hub's copy.
//
// What a reader of the copy is told is what the origin would tell it, but for gaps that are none, which are false alarms: when a topic
// lost events that the copy was not told yet, and was forgotten besides, any topic of its rule may have lost them; when rules change
// while the copy is filled, any topic that there is not; when it is filled by more than one feed, any topic of a rule of which some were
// forgotten; and a reader that conflates is told of an event that the copy dropped before
// the one that replaced it had come, if ever.
//
// Weakness: one Next holds the log's lock, which readers share, for as long as it takes to look at each topic that lost something since
// the one before.
type Feed struct {
	log *Memory
	at  Position
	// drops and ends are counts of the log's up to which losses and completions are told, and declared that of its rules.
	drops, ends, declared uint64
	ruled                 bool // rules were told
	// walking says that topics are looked at, and left how many were not yet, from the end on.
	walking bool
	left    int
}

// Feed begins to tell what follows a position. It fails when the log has not come so far.
func (m *Memory) Feed(after Position) (*Feed, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if at := m.position(); !at.covers(Position{Seq: after.Seq, IDs: after.IDs}) {
		return nil, fmt.Errorf("position %+v is ahead of the log's %+v: feed a copy from a log of its own epoch", after, at)
	}
	f := &Feed{log: m}
	f.begin()
	if after.Seq > 0 {
		f.at = after
	}
	if m.ends.first() <= after.Completions { // it knows what was forgotten since
		f.ends = min(f.ends, after.Completions)
	}
	return f, nil
}

// Position is how far who takes all records will have come.
func (f *Feed) Position() Position { return f.at }

// Next appends what comes next, at most so many events and ids, and a few other records. There may be none when More follow: then it is
// worth it to ask again at once, else after the next Announce. The records hold memory of the log's, which is not to be changed. It is
// called by one goroutine at a time.
func (f *Feed) Next(limit int, into []Record) (records []Record, more bool) {
	now := f.log.time(f.log.clock())
	f.log.mu.RLock()
	defer f.log.mu.RUnlock()
	if into = f.rules(into); f.walking {
		return f.walk(into), true
	}
	if f.ends != f.log.ends.total {
		known := false
		if into, known = f.completions(into); !known {
			f.begin()
			return into, true
		}
	}
	into = f.losses(into)
	before := f.at
	into, more = f.events(limit, now, into)
	into, rest := f.ids(limit, now, into)
	if !more && !rest {
		f.at.Completions = f.ends
	}
	if f.at != before {
		at := f.at
		into = append(into, Record{UpTo: &at})
	}
	return into, more || rest
}

// begin looks at each topic again. What happens from now on is told as it comes.
func (f *Feed) begin() {
	f.drops, f.ends = f.log.drops, f.log.ends.total
	f.walking, f.left = true, math.MaxInt
}

func (f *Feed) rules(into []Record) []Record {
	if f.ruled && f.declared == f.log.declarations {
		return into
	}
	first := !f.ruled
	f.ruled, f.declared = true, f.log.declarations
	told := &RecordedRules{Rules: make([]RecordedRule, len(f.log.rules)), First: first}
	for i, r := range f.log.rules {
		told.Rules[i] = RecordedRule{r.Selector.String(), r.Events, r.Age}
	}
	return append(into, Record{Rules: told})
}

// walk looks at some topics, and at the floors when it has seen all. Who forgets a topic meanwhile adds what it lost to a floor. From
// the beginning it tells all topics that there are, where there are floors: those of forgotten ones are not theirs.
func (f *Feed) walk(into []Record) []Record {
	head := f.log.head.Load()
	steps := stepsOfHold
	floor := func(r *rule) bool { return r.floor.all.seq > 0 }
	all := f.at.Seq == 0 && (slices.ContainsFunc(f.log.rules, floor) || slices.ContainsFunc(f.log.retired, floor))
	f.walking = !f.log.someTopics(&f.left, &steps, func(t *topic, _ *int) bool {
		if t.lost.all.seq > f.at.Seq || all {
			into = append(into, t.lost.record(t.name, LosersTopic))
		}
		if t.complete {
			into = append(into, Record{Complete: &RecordedEnd{Topic: t.name, Head: head}})
		}
		return true
	})
	if f.walking {
		return into
	}
	at := f.at
	return append(f.floors(0, into), Record{UpTo: &at})
}

// floors tells what forgotten topics lost, where the copy has not got it and it was dropped after a count of drops.
func (f *Feed) floors(drops uint64, into []Record) []Record {
	for _, rules := range [...][]*rule{f.log.rules, f.log.retired} {
		for _, r := range rules {
			for _, l := range [...]struct {
				losses
				of Losers
			}{{r.floor, LosersForgotten}, {r.any, LosersAny}} {
				if l.all.at > drops && l.all.seq > f.at.Seq {
					into = append(into, l.record(r.Selector.String(), l.of))
				}
			}
		}
	}
	return into
}

// losses tells what was lost since it was told last, where the copy has not got it: it drops by itself what it has.
func (f *Feed) losses(into []Record) []Record {
	if f.drops == f.log.drops {
		return into
	}
	for t := f.log.losers.newest; t != nil && t.lost.all.at > f.drops; t = t.losing.older {
		if t.lost.all.seq > f.at.Seq {
			into = append(into, t.lost.record(t.name, LosersTopic))
		}
	}
	into = f.floors(f.drops, into)
	f.drops = f.log.drops
	return into
}

// completions tells which topics were completed since, or are not complete any more, if the log still knows.
func (f *Feed) completions(into []Record) (records []Record, known bool) {
	head := f.log.head.Load()
	known = f.log.ends.since(f.ends, func(name string) {
		t := f.log.topics.byName[name]
		into = append(into, Record{Complete: &RecordedEnd{Topic: name, Head: head, Forgotten: t == nil || !t.complete}})
	})
	f.ends = f.log.ends.total
	return into, known
}

func (f *Feed) events(limit int, now time.Duration, into []Record) (records []Record, more bool) {
	head := f.log.head.Load()
	if f.at.Seq >= head {
		return into, false
	}
	told := make([]RecordedEvent, 0, min(uint64(limit), head-f.at.Seq, uint64(f.log.all.count)))
	at := f.log.all.after(f.at.Seq)
	for e := at.next(); e != nil; e = at.next() {
		if len(told) == limit {
			f.at.Seq = told[len(told)-1].Seq
			return into, true
		}
		told = append(told, RecordedEvent{})
		e.record(&told[len(told)-1], now)
		into = append(into, Record{Event: &told[len(told)-1]})
	}
	f.at.Seq = head
	return into, false
}

func (f *Feed) ids(limit int, now time.Duration, into []Record) (records []Record, more bool) {
	d := &f.log.sent
	f.at.IDs = max(f.at.IDs, d.gone)
	n := int(min(uint64(limit), d.total()-f.at.IDs))
	if n == 0 {
		return into, false
	}
	told := make([]RecordedID, 0, n)
	for range n {
		id := d.order.at(int(f.at.IDs - d.gone)).id
		k := d.known[id] // as it was used last
		f.at.IDs++
		told = append(told, RecordedID{ID: id, Payload: k.payload, Seq: k.seq, Rule: k.rule, Age: now - k.at})
		into = append(into, Record{ID: &told[len(told)-1]})
	}
	return into, f.at.IDs < d.total()
}
