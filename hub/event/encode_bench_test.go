package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

const epoch = "abcdefgh"

// payloads are data of 200 bytes each, of the kinds that are encoded in different ways.
var payloads = map[string]string{
	"one line": strings.Repeat("x", 200),
	"lines":    strings.Repeat("nineteen characters\n", 10),
	"CRLF":     strings.Repeat("eighteen character\r\n", 10),
	"JSON":     `{"text":"` + strings.Repeat("x", 189) + `"}`,
}

func BenchmarkDraft(b *testing.B) {
	for name, data := range payloads {
		b.Run(name, func(b *testing.B) {
			e := &event.Event{Topic: "a", Type: "price", Data: []byte(data)}
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				d := event.NewDraft(e, epoch, 123_456)
				d.Stamp(123_457)
			}
		})
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	for name, f := range map[string]event.Format{
		"SSE":                  {},
		"lines":                {Lines: true},
		"envelope":             {Envelope: true},
		"CloudEvents":          {CloudEvents: true, Source: "/streams/shop"},
		"CloudEvents in lines": {CloudEvents: true, Lines: true, Source: "/streams/shop"},
	} {
		for _, data := range []string{"one line", "JSON"} {
			b.Run(name+"/"+data, func(b *testing.B) {
				d := event.NewDraft(&event.Event{Topic: "a", Type: "price", Data: []byte(payloads[data])}, epoch, 1)
				stored := event.Stored{ID: event.ID{Epoch: epoch, Seq: 1}, Topic: "a", At: time.Unix(1_700_000_000, 0), Frame: d.Stamp(1)}
				var into []byte
				b.ReportAllocs()
				for b.Loop() {
					into = f.AppendEvent(into[:0], stored)
				}
			})
		}
	}
}
