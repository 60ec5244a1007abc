package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

const (
	// duplicateWindow is how long a key is remembered: longer than a publisher goes on trying by itself.
	duplicateWindow = 2 * time.Minute
	// maxKeys bounds the memory of keys, some 150 bytes each. Beyond it the oldest are forgotten before their time.
	maxKeys = 100_000
)

// digest stands for a key or a payload; 16 bytes of SHA-256 cannot be made to collide in two minutes.
type digest [16]byte

// known is an event that was stored under a key.
type known struct {
	payload digest
	receipt Receipt
}

// remembered is a key in the order of time.
type remembered struct {
	key digest
	at  time.Time
}

// duplicates remembers the keys of the last events.
type duplicates struct {
	known map[digest]known
	order []remembered // oldest first
}

// identity returns the digests of an event's key and of all that makes it the same event.
func identity(e *event.Event) (key, payload digest) {
	if e.Key == "" {
		return key, payload
	}
	sum := sha256.Sum256([]byte(e.Key))
	copy(key[:], sum[:])
	h := sha256.New()
	for _, part := range [][]byte{[]byte(e.Topic), []byte(e.Type), binary.BigEndian.AppendUint64(nil, uint64(e.TTL)), e.Data} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	copy(payload[:], h.Sum(nil))
	return key, payload
}

// find returns the receipt of the same event, if it is known.
func (d *duplicates) find(key, payload digest, now time.Time) (receipt Receipt, found bool, err error) {
	d.forget(now)
	k, found := d.known[key]
	if found && k.payload != payload {
		return receipt, false, ErrKeyReused
	}
	k.receipt.Duplicate = true
	return k.receipt, found, nil
}

func (d *duplicates) remember(key, payload digest, receipt Receipt, now time.Time) {
	if d.known == nil {
		d.known = map[digest]known{}
	}
	d.known[key] = known{payload, receipt}
	d.order = append(d.order, remembered{key, now})
}

// forget drops what is older than the window, and the oldest of too many.
func (d *duplicates) forget(now time.Time) {
	for len(d.order) > 0 && (len(d.order) >= maxKeys || now.Sub(d.order[0].at) >= duplicateWindow) {
		delete(d.known, d.order[0].key)
		d.order = d.order[1:]
	}
}
