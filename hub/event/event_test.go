package event_test

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

// parse reads one event as the HTML standard says (section 9.2.6), and is the encoder's oracle.
func parse(text []byte) (typ, id, data string, dispatched bool) {
	var lines []string
	typ = event.DefaultType
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, 1<<26)
	for s.Scan() {
		name, value, _ := strings.Cut(s.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case s.Text() == "":
			return typ, id, strings.Join(lines, "\n"), len(lines) > 0
		case name == "event":
			typ = value
		case name == "id":
			id = value
		case name == "data":
			lines = append(lines, value)
		}
	}
	return typ, id, "", false
}

func normalise(data []byte) string {
	return strings.ReplaceAll(strings.ReplaceAll(string(data), "\r\n", "\n"), "\r", "\n")
}

func TestFrameBytes(t *testing.T) {
	for name, c := range map[string]struct {
		event event.Event
		want  string
	}{
		"untyped": {event.Event{Data: []byte("hi")}, "id: abcdefgh-7\ndata: hi\n\n"},
		"typed":   {event.Event{Type: "tick", Data: []byte(`{"a":1}`)}, "event: tick\nid: abcdefgh-7\ndata: {\"a\":1}\n\n"},
		"message": {event.Event{Type: "message", Data: []byte("x")}, "id: abcdefgh-7\ndata: x\n\n"},
		"empty":   {event.Event{}, "id: abcdefgh-7\ndata: \n\n"},
		"lines":   {event.Event{Data: []byte("a\r\nb\rc\n")}, "id: abcdefgh-7\ndata: a\ndata: b\ndata: c\ndata: \n\n"},
		"spaces":  {event.Event{Data: []byte(" a\t")}, "id: abcdefgh-7\ndata:  a\t\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d := event.NewDraft(&c.event, "abcdefgh", 1)
			f := d.Stamp(7)
			if string(f.Text()) != c.want {
				t.Errorf("text %q, want %q", f.Text(), c.want)
			}
			if want := fmt.Sprintf("%x\r\n%s\r\n", len(c.want), c.want); string(f.Chunk()) != want {
				t.Errorf("chunk %q, want %q", f.Chunk(), want)
			}
		})
	}
}

func TestStampAcrossDigits(t *testing.T) {
	for _, seq := range []uint64{0, 9, 10, 99, 100, 1<<64 - 1} {
		d := event.NewDraft(&event.Event{Data: []byte("x")}, "abcdefgh", 12)
		if _, id, _, _ := parse(d.Stamp(seq).Text()); id != fmt.Sprintf("abcdefgh-%d", seq) {
			t.Errorf("id of %d is %q", seq, id)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add("tick", []byte("a\r\nb"), uint64(9))
	f.Add("", []byte("\r\r\n\n"), uint64(10))
	f.Add("é", []byte("\ufeff\x00 😀"), uint64(1<<63))
	f.Fuzz(func(t *testing.T, typ string, data []byte, seq uint64) {
		e := event.Event{Type: typ, Data: data}
		if e.Validate() != nil {
			return // refused
		}
		d := event.NewDraft(&e, "abcdefgh", seq/3)
		frame := d.Stamp(seq)
		gotType, id, got, ok := parse(frame.Text())
		if typ == "" {
			typ = event.DefaultType
		}
		if !ok || got != normalise(data) || gotType != typ || id != fmt.Sprintf("abcdefgh-%d", seq) {
			t.Fatalf("%q of %q, type %q of %q, id %q", got, data, gotType, typ, id)
		}
		if !bytes.Equal(frame.Chunk(), fmt.Appendf(nil, "%x\r\n%s\r\n", len(frame.Text()), frame.Text())) {
			t.Fatalf("chunk %q", frame.Chunk())
		}
	})
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		event event.Event
		want  string
	}{
		"plain":        {event.Event{Type: "order.created", Data: []byte("é")}, ""},
		"newline":      {event.Event{Type: "a\nid: 1"}, "control character"},
		"nul":          {event.Event{Type: "a\x00"}, "control character"},
		"reserved":     {event.Event{Type: "runnel-open"}, "the hub's own"},
		"long":         {event.Event{Type: strings.Repeat("a", 256)}, "at most 255"},
		"invalid data": {event.Event{Data: []byte{0xff}}, "encoding=base64"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.event.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestControl(t *testing.T) {
	got := event.Control{Type: "runnel-open", ID: event.ID{Epoch: "abcdefgh", Seq: 3}, Retry: 2500e6, Data: []byte("{}")}.Append(nil)
	if want := "event: runnel-open\nid: abcdefgh-3\nretry: 2500\ndata: {}\n\n"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (event.Control{Type: "runnel-close", Data: []byte("{}")}).Append(nil); string(got) != "event: runnel-close\ndata: {}\n\n" {
		t.Errorf("%q", got)
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"k3f9a2xq-184467", "abcdefgh-0", "abcdefgh-01", "abcdefgh-+1", "CLOSE", "", "ABCDEFGH-1", "abcdefgh-18446744073709551616"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := event.ParseID(s); ok && id.String() != s {
			t.Fatalf("%q reads as %q", s, id)
		}
	})
}

func TestNewEpoch(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		e := event.NewEpoch()
		if id, ok := event.ParseID(e + "-1"); !ok || id.Epoch != e || seen[e] {
			t.Fatalf("epoch %q", e)
		}
		seen[e] = true
	}
}
