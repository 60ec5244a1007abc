package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

const (
	// duplicateWindow is how long an id is remembered: longer than a publisher goes on trying by itself.
	duplicateWindow = 2 * time.Minute
	// maxIDs bounds the memory of ids, at most 250 bytes each in a map from which as many go as come. Beyond it the oldest are forgotten before their time.
	maxIDs = 100_000
)

// digest stands for an id or a payload; 16 bytes of SHA-256 cannot be made to collide in two minutes.
type digest [16]byte

// known is an event that was stored under an id.
type known struct {
	payload digest
	seq     uint64
	rule    string        // of its topic
	at      time.Duration // by the log's clock
}

// remembered is an id in the order of time.
type remembered struct {
	id digest
	at time.Duration
}

// duplicates remembers the ids of the last events.
type duplicates struct {
	known map[digest]known
	order queue[remembered]
	gone  uint64 // counts those that left the order
}

// total counts all ids that were ever remembered.
func (d *duplicates) total() uint64 { return d.gone + uint64(d.order.count) }

// identity returns the digests of an event's id and of what makes it the same event. CloudEvents attributes are not part of that:
// by their specification source and id are enough, and who passes an event on may add some. Nor is the time to live, which is less
// each time when the event says when it ends.
func identity(e *event.Event) (id, payload digest) {
	var most [1024]byte // what nearly every event takes no more than
	sum := sha256.Sum256(append(most[:0], e.ID...))
	copy(id[:], sum[:])
	b := most[:0]
	for _, n := range [...]int{len(e.Topic), len(e.Type), len(e.Key)} { // so that no two read the same
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if b = append(b, 0); e.Last {
		b[len(b)-1] = 1
	}
	b = append(append(append(append(b, e.Topic...), e.Type...), e.Key...), e.Data...)
	sum = sha256.Sum256(b)
	copy(payload[:], sum[:])
	return id, payload
}

// find returns what is known of an id. It fails when that was another event.
func (d *duplicates) find(id, payload digest, now time.Duration) (k known, found bool, err error) {
	k, found = d.known[id]
	if !found || now-k.at >= duplicateWindow {
		return known{}, false, nil
	}
	if k.payload != payload {
		return known{}, false, ErrIDReused
	}
	return k, true, nil
}

func (d *duplicates) remember(id digest, k known) {
	steps := stepsOfAppend
	d.forget(k.at, &steps)
	if d.known == nil {
		d.known = map[digest]known{}
	}
	d.known[id] = k
	d.order.push(remembered{id, k.at})
}

// forget drops what is older than the window, and the oldest of too many, and says whether it is done.
func (d *duplicates) forget(now time.Duration, steps *int) bool {
	for ; d.order.count > 0; *steps-- {
		oldest := d.order.oldest()
		switch {
		case d.order.count < maxIDs && now-oldest.at < duplicateWindow:
			return true
		case *steps <= 0:
			return false
		}
		d.order.pop()
		d.gone++
		if d.known[oldest.id].at == oldest.at { // else it was used again after its time
			delete(d.known, oldest.id)
		}
	}
	d.known = nil // with its memory
	return true
}
