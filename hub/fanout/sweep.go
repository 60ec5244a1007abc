package fanout

import (
	"runtime"
	"slices"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

const (
	// newsLimit is how many entries a shard takes from the log at a time.
	newsLimit = 1024
	// sweepTopics is how many topics one sweep has at most: as many as a mask has bits.
	sweepTopics = 64
	// sweepTurn is how many readers are written to until others get the processor: about a millisecond, so that publishers are answered
	// and readers let in while many are written to.
	sweepTurn = 256
	// sharedTexts is how many choices of topics have a text of their own in a sweep, and spareTexts how many of them are kept for the next.
	sharedTexts, spareTexts = 256, 16
)

// sweep is a walk over the readers of what is new. Each of them is written to once, whatever it chooses, and those who choose the same
// share the text.
type sweep struct {
	news    []*eventlog.Entry
	topics  []string
	bits    []uint8 // of each entry, its topic's place among topics
	touched []*reader
	texts   map[uint64]*text
	spare   []*text
	last    bool // one of the entries completes its topic
}

// follow brings what is new to the readers of its topics.
func (s *shard) follow() {
	// Publishers that are ready to run store their events first, so that these share a write. Without any this costs nothing.
	runtime.Gosched()
	w := &s.sweep
	before := s.position
	entries, upTo, more := s.pool.log.Since(before, newsLimit, w.news[:0])
	if more {
		signal(s.news)
	}
	if uint64(len(entries)) < upTo-before {
		s.missed()
	}
	for rest := entries; len(rest) > 0; {
		n := w.choose(rest)
		to := upTo
		if n < len(rest) {
			to = rest[n-1].Seq
		}
		s.bring(rest[:n], to)
		rest = rest[n:]
	}
	s.position = upTo
	clear(entries)
	w.news = entries
}

// missed lets all readers ask the log, since events were dropped before the shard saw them.
func (s *shard) missed() {
	for _, r := range s.snapshot() {
		switch {
		case r.wake != nil:
			s.mu.Lock()
			s.call(r)
			s.mu.Unlock()
		case r.watched != 0 && r.phase == open:
			s.later(r)
		}
	}
}

// choose says how many of the next entries one sweep takes, and notes their topics.
func (w *sweep) choose(entries []*eventlog.Entry) int {
	w.topics, w.bits, w.last = w.topics[:0], w.bits[:0], false
	for i, e := range entries {
		bit := slices.Index(w.topics, e.Topic)
		if bit < 0 {
			if bit = len(w.topics); bit == sweepTopics {
				return i
			}
			w.topics = append(w.topics, e.Topic)
		}
		w.bits = append(w.bits, uint8(bit))
		w.last = w.last || e.Last
	}
	return len(entries)
}

// bring writes entries to their readers. Up to a position nothing else is theirs.
func (s *shard) bring(entries []*eventlog.Entry, upTo uint64) {
	w := &s.sweep
	w.touched = w.touched[:0]
	s.mu.Lock()
	for bit, topic := range w.topics {
		s.index.each(topic, func(r *reader) {
			if r.wake != nil {
				s.call(r)
				return
			}
			if r.mask == 0 {
				w.touched = append(w.touched, r)
			}
			r.mask |= 1 << bit
		})
	}
	s.brought = upTo
	s.mu.Unlock()
	now := s.pool.now()
	before := s.position
	for i, r := range w.touched {
		if i > 0 && i%sweepTurn == 0 {
			runtime.Gosched()
		}
		mask := r.mask
		r.mask = 0
		switch {
		case r.watched == 0 || r.phase != open || r.behind: // it reads on by itself
		case w.last || r.cursor > before || !r.plain || s.joined(entries, mask) == nil || r.barred(now) != "":
			s.later(r)
		default:
			s.deliver(r, w.texts[mask], upTo, now)
		}
	}
	s.position = upTo
	clear(w.touched)
	for mask, t := range w.texts {
		delete(w.texts, mask)
		if t != nil && len(w.spare) < spareTexts {
			t.shrink()
			w.spare = append(w.spare, t)
		}
	}
}

// deliver writes to a current reader.
func (s *shard) deliver(r *reader, t *text, upTo uint64, now instant) {
	if len(t.bytes) == 0 {
		return
	}
	t.before = part{cursor: max(r.cursor, s.position), sent: r.sent}
	r.cursor, r.sent = upTo, t.parts[len(t.parts)-1].sent
	s.write(r, t, now)
	if r.behind || r.failed {
		s.settle(r)
	}
}

// joined is the text of all entries whose topics a mask has, or nil when that is too long for one write, or when there are too many
// choices of topics already: those readers ask the log.
func (s *shard) joined(entries []*eventlog.Entry, mask uint64) *text {
	w := &s.sweep
	if t, done := w.texts[mask]; done {
		return t
	}
	if w.texts == nil {
		w.texts = map[uint64]*text{}
	}
	if len(w.texts) == sharedTexts {
		return nil
	}
	t := &text{}
	if last := len(w.spare) - 1; last >= 0 {
		t = w.spare[last]
		w.spare = w.spare[:last]
	}
	t.reset(true)
	now := time.Now()
	for i, e := range entries {
		if mask&(1<<w.bits[i]) != 0 && !e.Stale(now) {
			t.event(e, event.Format{}, "")
		}
		if len(t.bytes) > batchBytes {
			w.spare = append(w.spare, t)
			t = nil
			break
		}
	}
	w.texts[mask] = t
	return t
}
