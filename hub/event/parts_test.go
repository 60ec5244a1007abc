package event_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

func frameOf(e *event.Event, id event.ID) event.Frame {
	d := event.NewDraft(e, id.Epoch, id.Seq)
	return d.Stamp(id.Seq)
}

// FuzzFrameOf holds that a frame comes out of its parts as it was, and that no other parts make a frame.
func FuzzFrameOf(f *testing.F) {
	f.Add("tick", []byte("a\r\nb\n"), true, []byte(`"specversion":"1.0"`), uint64(9), []byte("c\r\nid: abcdefgh-9\n\r\n"))
	f.Add("", []byte("\r\r\n\n"), false, []byte(nil), uint64(10), []byte("13\r\nid: abcdefgh-10\ndata: \n\n\r\n"))
	f.Add("made", []byte(nil), false, []byte(`"specversion":"1.0"`), uint64(9), []byte("17\r\nid: abcdefgh-9\ndata: \n\n\r\n"))
	f.Add("é", []byte("\ufeff 😀"), false, []byte(nil), uint64(1<<63), []byte("12\r\nid: abcdefgh-9\ndata: \r\r\n"))
	f.Fuzz(func(t *testing.T, typ string, data []byte, base64 bool, attributes []byte, seq uint64, chunk []byte) {
		id := event.ID{Epoch: "abcdefgh", Seq: seq}
		e := event.Event{Type: typ, Data: data, Base64: base64}
		if len(attributes) > 0 {
			e.Attributes, e.NoData = attributes, len(data) == 0 && !base64
		}
		if e.Validate() == nil {
			sent := frameOf(&e, id)
			got, err := event.FrameOf(sent.Parts(), id)
			line := bytes.ToValidUTF8(attributes, nil)
			line = bytes.Map(func(r rune) rune { return max(r, ' ') }, line)
			switch {
			case !bytes.Equal(line, attributes):
				if !errors.Is(err, event.ErrFrame) {
					t.Fatalf("attributes %q: %v", attributes, err)
				}
			case err != nil:
				t.Fatal(err)
			case !reflect.DeepEqual(got, sent):
				t.Fatalf("%+v, want %+v", got, sent)
			}
		}
		parts := event.FrameParts{Chunk: chunk, Data: data, Base64: base64, Attributes: attributes}
		got, err := event.FrameOf(parts, id)
		if err != nil {
			return
		}
		e = event.Event{Type: got.Type(), Data: got.Data(), Base64: base64}
		if len(attributes) > 0 {
			e.Attributes = attributes
		}
		if err := e.Validate(); err != nil {
			t.Fatalf("%q is a frame: %v", chunk, err)
		}
		if want := frameOf(&e, id); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is a frame, want %q", got.Chunk(), want.Chunk())
		}
	})
}

func TestPartsThatMakeNoFrame(t *testing.T) {
	id := event.ID{Epoch: "abcdefgh", Seq: 7}
	parts := func() event.FrameParts {
		return frameOf(&event.Event{Type: "tick", Data: []byte("a\rb"), Attributes: []byte(`"id":"1"`)}, id).Parts()
	}
	if f, err := event.FrameOf(parts(), id); err != nil || string(f.Data()) != "a\rb" || f.Type() != "tick" {
		t.Fatalf("%q, %v", f.Text(), err)
	}
	chunk := func(old, now string) func(*event.FrameParts) {
		return func(p *event.FrameParts) {
			*p = event.FrameParts{Chunk: []byte(strings.Replace(string(p.Chunk), old, now, 1))}
		}
	}
	for name, change := range map[string]func(*event.FrameParts){
		"nothing":               func(p *event.FrameParts) { p.Chunk = nil },
		"no end":                func(p *event.FrameParts) { p.Chunk = p.Chunk[:len(p.Chunk)-1] },
		"another size":          chunk("2c\r\n", "2d\r\n"),
		"a size in other words": chunk("2c\r\n", "02c\r\n"),
		"another id":            chunk("-7", "-8"),
		"another epoch":         chunk("abcdefgh", "abcdefgi"),
		"a comment":             chunk("data: b", ":ata: b"),
		"two events":            chunk("a\ndata: b", "a\n\ndata: "),
		"a line end":            chunk("data: b", "data: \r"),
		"no text":               chunk("data: b", "data: \xff"),
		"the hub's own type":    func(p *event.FrameParts) { *p = frameOf(&event.Event{Type: "runnel-gap"}, id).Parts() },
		"a type in vain":        chunk("event: tick", "event: "),
		"data of another":       func(p *event.FrameParts) { p.Data = []byte("a\rc") },
		"data that is there":    func(p *event.FrameParts) { p.Data = []byte("a\nb") },
		"data and none":         func(p *event.FrameParts) { p.NoData = true },
		"no data of any":        func(p *event.FrameParts) { *p = frameOf(&event.Event{}, id).Parts(); p.NoData = true },
		"attributes of lines":   func(p *event.FrameParts) { p.Attributes = []byte("\"id\":\n\"1\"") },
	} {
		t.Run(name, func(t *testing.T) {
			p := parts()
			p.Chunk = bytes.Clone(p.Chunk)
			change(&p)
			if f, err := event.FrameOf(p, id); !errors.Is(err, event.ErrFrame) {
				t.Errorf("%q: %v", f.Chunk(), err)
			}
		})
	}
}
