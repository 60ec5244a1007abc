package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

const (
	// duplicateWindow is how long an id is remembered: longer than a publisher goes on trying by itself.
	duplicateWindow = 2 * time.Minute
	// maxIDs bounds the memory of ids, some 150 bytes each. Beyond it the oldest are forgotten before their time.
	maxIDs = 100_000
)

// digest stands for an id or a payload; 16 bytes of SHA-256 cannot be made to collide in two minutes.
type digest [16]byte

// known is an event that was stored under an id.
type known struct {
	payload digest
	receipt Receipt
}

// remembered is an id in the order of time.
type remembered struct {
	id digest
	at time.Time
}

// duplicates remembers the ids of the last events.
type duplicates struct {
	known map[digest]known
	order []remembered // oldest first
}

// identity returns the digests of an event's id and of what makes it the same event. CloudEvents attributes are not part of that:
// by their specification source and id are enough, and who passes an event on may add some. Nor is the time to live, which is less
// each time when the event says when it ends.
func identity(e *event.Event) (id, payload digest) {
	if e.ID == "" {
		return id, payload
	}
	sum := sha256.Sum256([]byte(e.ID))
	copy(id[:], sum[:])
	h := sha256.New()
	for _, part := range [][]byte{[]byte(e.Topic), []byte(e.Type), strconv.AppendBool(nil, e.Last), e.Data, []byte(e.Key)} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	copy(payload[:], h.Sum(nil))
	return id, payload
}

// find returns the receipt of the same event, if it is known.
func (d *duplicates) find(id, payload digest, now time.Time) (receipt Receipt, found bool, err error) {
	d.forget(now)
	k, found := d.known[id]
	if found && k.payload != payload {
		return receipt, false, ErrIDReused
	}
	k.receipt.Duplicate = true
	return k.receipt, found, nil
}

func (d *duplicates) remember(id, payload digest, receipt Receipt, now time.Time) {
	if d.known == nil {
		d.known = map[digest]known{}
	}
	d.known[id] = known{payload, receipt}
	d.order = append(d.order, remembered{id, now})
}

// forget drops what is older than the window, and the oldest of too many.
func (d *duplicates) forget(now time.Time) {
	for len(d.order) > 0 && (len(d.order) >= maxIDs || now.Sub(d.order[0].at) >= duplicateWindow) {
		delete(d.known, d.order[0].id)
		d.order = d.order[1:]
	}
}
