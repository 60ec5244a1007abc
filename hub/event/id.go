package event

import (
	"crypto/rand"
	"math/big"
	"strconv"
	"strings"
)

// epochBytes is the length of an epoch: 36^8 are enough that two hubs of one stream never draw the same.
const epochBytes = 8

const epochAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// ID names an event, and as a cursor everything up to it. Its text is `<epoch>-<sequence>`, which holds no byte that would
// make a browser ask for permission before it sends the id back (Fetch, section 2.2.2).
type ID struct {
	// Epoch is new whenever history was lost; sequences of different epochs cannot be compared.
	Epoch string
	// Seq is one sequence for all topics of a stream; 0 comes before its first event.
	Seq uint64
}

// NewEpoch draws an epoch by chance.
func NewEpoch() string {
	b := make([]byte, epochBytes)
	for i := range b {
		// crypto/rand never fails (its documentation, since Go 1.24).
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(epochAlphabet))))
		b[i] = epochAlphabet[n.Int64()]
	}
	return string(b)
}

// String is the id's text.
func (id ID) String() string { return string(id.Append(nil)) }

// MarshalText implements encoding.TextMarshaler with the id's text.
func (id ID) MarshalText() ([]byte, error) { return id.Append(nil), nil }

// Append appends the id's text.
func (id ID) Append(b []byte) []byte {
	b = append(b, id.Epoch...)
	b = append(b, '-')
	return strconv.AppendUint(b, id.Seq, 10)
}

// ParseID reads an id's text. What is not exactly what String writes is not ok.
func ParseID(s string) (id ID, ok bool) {
	epoch, digits, found := strings.Cut(s, "-")
	if !found || len(epoch) != epochBytes || strings.Trim(epoch, epochAlphabet) != "" {
		return ID{}, false
	}
	if digits == "" || digits[0] == '+' || digits[0] == '0' && len(digits) > 1 {
		return ID{}, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return ID{}, false
	}
	return ID{Epoch: epoch, Seq: seq}, true
}
