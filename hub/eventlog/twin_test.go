package eventlog

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// twins are a log that stays, and one that is handed over now and then, to which the same happens.
type twins struct {
	*model
	stays *Memory
}

// TestACopyTellsItsReadersWhatItsOriginWould holds that publishers and readers of any cursor are answered the same after hand-overs,
// while and after which topics, rules, keys, ids and completions come and go, by the log that appends and by those that follow it. It
// leaves out what Feed says to differ.
func TestACopyTellsItsReadersWhatItsOriginWould(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 11))
		m := &model{t: t, r: r, now: time.Unix(1000, 0), whole: true}
		rules := m.someRules()
		clock := func() time.Time { return m.now }
		w := &twins{m, NewMemory(rules, 1<<20, time.Duration(r.IntN(3))*time.Second)}
		w.stays.clock = clock
		m.Memory = NewMemory(rules, 1<<20, w.stays.linger)
		m.clock = clock
		w.epoch.Store(w.stays.epoch.Load())
		for range 300 {
			w.step()
		}
		if w.compare(); t.Failed() {
			t.Logf("with seed %d", seed)
			return
		}
	}
}

func (w *twins) step() {
	switch k := w.r.IntN(100); {
	case k < 60:
		w.publish()
	case k < 62:
		topic := []string{"a.1", "b", "c.1"}[w.r.IntN(3)]
		got, err := w.Complete(topic)
		want, wantErr := w.stays.Complete(topic)
		w.same("completed "+topic, fmt.Sprint(got, err), fmt.Sprint(want, wantErr))
	case k < 69:
		w.now = w.now.Add([]time.Duration{time.Second / 3, 2 * time.Second, 4 * time.Second, time.Minute}[w.r.IntN(4)])
	case k < 71 && w.next == nil:
		w.compare() // which drops what is due: it may not be by the new rules
		rules := w.someRules()
		w.Configure(rules, 1<<20)
		w.stays.Configure(rules, 1<<20)
		w.follow()
	case k < 73:
		w.compare()
	default:
		w.feed()
	}
}

func (w *twins) publish() {
	topics := []string{"a.1", "a.2", "a.x.1", "a.x.2", "b", "c.1", "c.2.3"}
	e := event.Event{Topic: topics[w.r.IntN(len(topics))], Data: []byte{byte('0' + w.r.IntN(2))}, Last: w.r.IntN(200) == 0}
	if w.r.IntN(2) == 0 {
		e.Key = fmt.Sprint(w.r.IntN(3))
	}
	if w.r.IntN(2) == 0 {
		e.ID = fmt.Sprint(w.r.IntN(50))
	}
	got, err := w.Append(&e)
	want, wantErr := w.stays.Append(&e)
	w.same(fmt.Sprintf("published %+v", e), fmt.Sprint(got, err), fmt.Sprint(want, wantErr))
}

// follow brings those that went before, and the next one, to the end.
func (w *twins) follow() {
	if w.next != nil {
		feedAll(w.t, w.next.feed, w.next.Memory)
	}
	for _, l := range w.former {
		feedAll(w.t, l.feed, l.Memory)
	}
}

// compare asks all logs the same.
func (w *twins) compare() {
	w.follow()
	logs := []*Memory{w.Memory}
	for _, l := range w.former {
		logs = append(logs, l.Memory)
	}
	w.stays.Expire()
	if w.next != nil {
		w.next.Expire()
	}
	for _, l := range logs {
		l.Expire()
	}
	for range 20 {
		selectors := sels(w.some([]string{">", "a.*", "a.1 b", "a.x.* a.2", "b", "a.> c.*", "*.1 a.x.2"})...)
		start := at(w.stays, uint64(w.r.IntN(int(w.stays.Head().Seq)+3)))
		switch w.r.IntN(8) {
		case 0:
			start = Start{Earliest: true}
		case 1:
			start = Start{Replay: 1 + w.r.IntN(4)}
		case 2:
			start = Start{Since: w.now.Add(-time.Duration(w.r.IntN(20)) * time.Second)}
		}
		start.Conflate = w.r.IntN(2) == 0
		want := answer(w.stays, selectors, start)
		for i, l := range logs {
			w.same(fmt.Sprintf("log %d of %d: %v from %+v", i, len(logs), selectors, start), answer(l, selectors, start), want)
		}
	}
}

// answer is all that a reader is told, but for the losses of who conflates: an event may be replaced in one log before it is dropped, and
// after that in another.
func answer(m *Memory, selectors []event.Selector, start Start) (text string) {
	s, o, err := m.Subscribe(selectors, start)
	if err != nil {
		return err.Error()
	}
	b := s.Read(o.Cursor.Seq, 1<<30, nil)
	if start.Conflate {
		o = Opening{}
	}
	text = fmt.Sprintf("%+v, lost %v, complete %t, up to %d", o, b.Lost, b.Complete, b.Cursor)
	for _, e := range b.Entries {
		text += fmt.Sprintf("\n%d of %s at %v, last %t: %q", e.Seq, e.Topic, e.Stored("").At, e.Last, e.Frame.Text())
	}
	return text
}

func (w *twins) same(what, got, want string) {
	if got != want && !w.t.Failed() {
		w.t.Errorf("%s: %s\nwant %s", what, got, want)
	}
}
