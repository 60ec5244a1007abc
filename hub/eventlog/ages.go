package eventlog

import (
	"container/heap"
	"time"
)

// ages orders topics by when their oldest event may be too old. What is noted of a topic may be too early, since its oldest events go
// for other reasons too: it is put right when it is looked at, so that an event costs nothing here unless its topic was empty.
type ages struct{ due []due }

type due struct {
	at    time.Duration // by the log's clock
	topic *topic
}

// next is the topic that is looked at next, if its time has come.
func (a *ages) next(now time.Duration) *topic {
	if !a.pending(now) {
		return nil
	}
	return a.due[0].topic
}

func (a *ages) pending(now time.Duration) bool { return len(a.due) > 0 && a.due[0].at <= now }

// note puts a topic in its place, or takes out one that is empty.
func (a *ages) note(t *topic) {
	switch noted := t.due >= 0; {
	case t.ring.count == 0 && noted:
		heap.Remove(a, t.due)
	case t.ring.count == 0:
	case noted:
		a.due[t.due].at = t.expiry()
		heap.Fix(a, t.due)
	default:
		heap.Push(a, t)
	}
}

// expiry is when a topic's oldest event is too old.
func (t *topic) expiry() time.Duration { return t.ring.oldest().at + t.rule.Age }

func (a *ages) Len() int           { return len(a.due) }
func (a *ages) Less(i, j int) bool { return a.due[i].at < a.due[j].at }

func (a *ages) Swap(i, j int) {
	a.due[i], a.due[j] = a.due[j], a.due[i]
	a.due[i].topic.due, a.due[j].topic.due = i, j
}

// Push is for package heap.
func (a *ages) Push(x any) {
	t := x.(*topic)
	t.due = len(a.due)
	a.due = append(a.due, due{t.expiry(), t})
}

// Pop is for package heap.
func (a *ages) Pop() any {
	last := len(a.due) - 1
	t := a.due[last].topic
	a.due[last], a.due, t.due = due{}, a.due[:last], -1
	return t
}
