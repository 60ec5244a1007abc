package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"

	"github.com/runnel-dev/runnel/hub/eventlog"
)

const (
	// maxBody bounds every body, and every frame of a log: an event of the largest size that a configuration may ask for, 4 MiB, of which
	// each byte is a line of its own, as readers are sent it, in base64.
	maxBody = 64 << 20
	// maxSmall bounds the bodies that hold no events and no topics.
	maxSmall = 16 << 10
	// maxElements bounds a list. The longest are topics that remain, of which a body of maxBody has no more with their names.
	maxElements = 4 << 20
	// maxDepth is more than any message has.
	maxDepth = 8
)

// codec encodes and decodes messages. It refuses what is twice in a map, or nested deeper than any message, or longer than bounds say.
// Fields that it does not know are left alone: a hub of the same version may say more.
type codec struct {
	encoder cbor.EncMode
	decoder cbor.DecMode
}

func newCodec() (c codec, err error) {
	if c.encoder, err = (cbor.EncOptions{}).EncMode(); err != nil {
		return c, err
	}
	c.decoder, err = cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: maxDepth, MaxArrayElements: maxElements, MaxMapPairs: maxElements,
	}.DecMode()
	return c, err
}

// read decodes a body of at most so many bytes.
func (c codec) read(from io.Reader, most int64, into any) error {
	body, err := io.ReadAll(io.LimitReader(from, most+1))
	switch {
	case err != nil:
		return err
	case int64(len(body)) > most:
		return fmt.Errorf("it has more than %d bytes", most)
	}
	return c.decoder.Unmarshal(body, into)
}

// kind says what a frame of a log holds.
type kind byte

// The kinds of frames.
const (
	kindBegin   kind = iota + 1 // begin; the first one
	kindRecords                 // records
	kindSynced                  // eventlog.Position: all there is has come up to here
	kindEnd                     // end; the last one
)

// begin says what follows.
type begin struct {
	Epoch string `cbor:"1,keyasint"`
	// Seq is the newest sequence of the log, for who wants to know how much follows.
	Seq uint64 `cbor:"2,keyasint"`
}

// records are some of a log's, in their order.
type records struct {
	Records []eventlog.Record `cbor:"1,keyasint"`
}

// end says why a log ends that is sealed.
type end struct {
	// Leader is who goes on with it; the zero Peer is nobody.
	Leader Peer `cbor:"1,keyasint"`
}

// headerBytes come before each frame: its length in 4 bytes, big-endian, and its kind.
const headerBytes = 5

// frameWriter writes frames.
type frameWriter struct {
	codec
	to     io.Writer
	buffer bytes.Buffer
}

func (w *frameWriter) write(k kind, v any) error {
	w.buffer.Reset()
	w.buffer.Write(make([]byte, headerBytes))
	if err := w.encoder.NewEncoder(&w.buffer).Encode(v); err != nil {
		return err
	}
	frame := w.buffer.Bytes()
	if len(frame)-headerBytes > maxBody {
		return fmt.Errorf("a frame of %d bytes is more than %d", len(frame), maxBody)
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-headerBytes))
	frame[headerBytes-1] = byte(k)
	_, err := w.to.Write(frame)
	return err
}

// frameReader reads frames.
type frameReader struct {
	codec
	from   io.Reader
	buffer bytes.Buffer
}

// next returns a frame's kind and body, which is good until the next. Memory is taken only for what has come.
func (r *frameReader) next() (kind, []byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(r.from, header[:]); err != nil {
		return 0, nil, err
	}
	length := int64(binary.BigEndian.Uint32(header[:]))
	if length > maxBody {
		return 0, nil, fmt.Errorf("a frame of %d bytes is more than %d", length, maxBody)
	}
	r.buffer.Reset()
	if _, err := io.CopyN(&r.buffer, r.from, length); err != nil {
		return 0, nil, fmt.Errorf("a frame ends early: %w", err)
	}
	return kind(header[headerBytes-1]), r.buffer.Bytes(), nil
}
