package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

func testCodec(t testing.TB) codec {
	t.Helper()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzFrames holds that what is written is read as it was, and that anything else is refused or read without harm.
func FuzzFrames(f *testing.F) {
	f.Add(byte(kindSynced), []byte{0xa0}, uint64(7), "orders", []byte("data"))
	f.Add(byte(0xff), []byte{}, uint64(0), "", []byte{})
	f.Fuzz(func(t *testing.T, k byte, body []byte, seq uint64, topic string, data []byte) {
		c := testCodec(t)
		reader := &frameReader{codec: c, from: io.MultiReader(bytes.NewReader(binary.BigEndian.AppendUint32(nil, uint32(len(body)))), bytes.NewReader([]byte{k}), bytes.NewReader(body))}
		got, text, err := reader.next()
		if err != nil || byte(got) != k || !bytes.Equal(text, body) {
			t.Fatalf("%d %x, %v", got, text, err)
		}
		for _, into := range []any{&begin{}, &records{}, &eventlog.Position{}, &end{}, &Append{}, &State{}, &Refusal{}} {
			_ = c.decoder.Unmarshal(body, into)
		}
		var b bytes.Buffer
		sent := records{Records: []eventlog.Record{
			{Event: &eventlog.RecordedEvent{Seq: seq, Topic: strings.ToValidUTF8(topic, ""), Frame: event.FrameParts{Chunk: append([]byte{}, data...)}, Stored: int64(seq), Age: time.Duration(seq)}},
			{ID: &eventlog.RecordedID{Seq: seq, ID: [16]byte{1}}}, {UpTo: &eventlog.Position{Seq: seq, IDs: 1}},
		}}
		if err := (&frameWriter{codec: c, to: &b}).write(kindRecords, sent); err != nil {
			t.Fatal(err)
		}
		got, text, err = (&frameReader{codec: c, from: &b}).next()
		var came records
		if err != nil || got != kindRecords || c.decoder.Unmarshal(text, &came) != nil || !reflect.DeepEqual(came, sent) {
			t.Fatalf("%+v, want %+v, %v", came, sent, err)
		}
	})
}

func TestBodiesAndFramesAreBounded(t *testing.T) {
	c := testCodec(t)
	if err := c.read(bytes.NewReader(make([]byte, maxSmall+1)), maxSmall, &State{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
	announced := &frameReader{codec: c, from: bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 1})}
	if _, _, err := announced.next(); err == nil || announced.buffer.Cap() > 0 {
		t.Errorf("%v, %d bytes", err, announced.buffer.Cap())
	}
	const most = 1 << 10 // of memory for what has not come
	promised := &frameReader{codec: c, from: io.MultiReader(bytes.NewReader([]byte{3, 0, 0, 0, 1}), bytes.NewReader([]byte("little")))}
	if _, _, err := promised.next(); err == nil || promised.buffer.Cap() > most {
		t.Errorf("%v, %d bytes", err, promised.buffer.Cap())
	}
	deep := bytes.Repeat([]byte{0x81}, 100)
	if err := c.decoder.Unmarshal(append(deep, 0), &records{}); err == nil {
		t.Error("a hundred lists in each other are taken")
	}
}

func TestEventsThatWouldBreakAFrameAreRefused(t *testing.T) {
	good := Event{Topic: "orders", Data: []byte("x"), ID: "a\x00b"}
	if e, err := good.Event(); err != nil || e.ID != good.ID {
		t.Errorf("%+v, %v", e, err)
	}
	for name, change := range map[string]func(*Event){
		"topic": func(e *Event) { e.Topic = "a b" }, "type": func(e *Event) { e.Type = "a\nb" }, "the hub's type": func(e *Event) { e.Type = "runnel-open" },
		"data": func(e *Event) { e.Data = []byte{0xff} }, "key": func(e *Event) { e.Key = "\x00" }, "no id": func(e *Event) { e.ID = "" }, "ttl": func(e *Event) { e.TTL = -1 },
	} {
		bad := good
		change(&bad)
		if _, err := bad.Event(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestErrorsOfTheLogKeepTheirMeaning(t *testing.T) {
	for _, want := range []error{eventlog.ErrUndeclared, eventlog.ErrComplete, eventlog.ErrIDReused, eventlog.ErrTooLarge} {
		if got := ReceiptOf(event.ID{}, false, want).Err(); !errors.Is(got, want) || got.Error() != want.Error() {
			t.Errorf("%v is %v", want, got)
		}
	}
	if err := ReceiptOf(event.ID{}, false, errors.New("x")).Err(); err == nil || err.Error() != "x" {
		t.Error(err)
	}
	if err := ReceiptOf(event.ID{Epoch: "a", Seq: 1}, true, nil).Err(); err != nil {
		t.Error(err)
	}
}
