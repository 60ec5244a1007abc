package conformance_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/conformance/cut"
)

const (
	// workloadEvents is how many events each client reads.
	workloadEvents = 10_000
	// largeBytes is a large event, of which there is one among largeEvery.
	largeBytes = 200_000
	largeEvery = 400
	// batchEvents and batchBytes bound a batch; a hub takes 1 MiB and 1,000 lines.
	batchEvents = 50
	batchBytes  = 500_000
	// pace is the time between two batches: readers are cut while events are published, and not only behind them.
	pace = 20 * time.Millisecond
)

// payloads is the data of events as it is published and as a reader gets it. An event stream has only lines, so every kind of line
// end becomes LF; nothing else changes.
var payloads = []struct{ name, sent, got string }{
	{"one line", "hello", "hello"},
	{"JSON", `{"price":101.2}`, `{"price":101.2}`},
	{"LF", "one\ntwo", "one\ntwo"},
	{"CR", "one\rtwo", "one\ntwo"},
	{"CRLF", "one\r\ntwo", "one\ntwo"},
	{"all line ends", "one\rtwo\r\nthree\nfour", "one\ntwo\nthree\nfour"},
	{"empty lines", "\n\none\r\n\r\ntwo\r\r", "\n\none\n\ntwo\n\n"},
	{"only a line end", "\n", "\n"},
	{"nothing", "", ""},
	{"4-byte characters", "😀 𝄞 𐍈", "😀 𝄞 𐍈"},
	{"all lengths of characters", "aé€😀", "aé€😀"},
	{"leading spaces", "  two", "  two"},
	{"leading tab", "\ttab", "\ttab"},
	{"only a space", " ", " "},
	{"spaces on each line", " one\n two\n", " one\n two\n"},
	{"byte order mark", "\uFEFFmark", "\uFEFFmark"},
	{"line and paragraph separators", "one\u2028two\u2029three\u0085four\vfive\ffive", "one\u2028two\u2029three\u0085four\vfive\ffive"},
	{"colons", ":no comment", ":no comment"},
	{"text like a field", "data: x\nid: 7\nevent: y\nretry: 1", "data: x\nid: 7\nevent: y\nretry: 1"},
	{"NUL", "a\x00b", "a\x00b"},
}

// random is a source of its own for each use: what one draws changes nothing for another.
func random(use string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(use)) // a hash takes all
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// workload makes events of all kinds, as they are published and as a reader gets them but for their ids.
func workload() (sent, got []browser.Event) {
	r := random("workload")
	for i := range workloadEvents {
		e := browser.Event{}
		if r.IntN(2) == 0 {
			e.Type = tick
		}
		want := ""
		switch {
		case i%largeEvery == largeEvery/2:
			const line = 1000 // 😀
			e.Data = strings.Repeat(fmt.Sprintf("%d ", i)+strings.Repeat("😀", line)+"\n", largeBytes/(line*len("😀")))
			want = e.Data
		case r.IntN(2) == 0:
			e.Data = fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("é😀", r.IntN(20)))
			want = e.Data
		default:
			p := payloads[r.IntN(len(payloads))]
			e.Data, want = p.sent, p.got
		}
		sent = append(sent, e)
		got = append(got, browser.Event{Type: e.Type, Data: want})
	}
	return sent, got
}

// publishWorkload publishes events in batches, at a pace, and sets the ids of what readers get.
func publishWorkload(topic string, sent, got []browser.Event) {
	GinkgoHelper()
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for from := 0; from < len(sent); {
		to, bytes := from, 0
		for to < len(sent) && to-from < batchEvents && (to == from || bytes+len(sent[to].Data) < batchBytes) {
			bytes += len(sent[to].Data)
			to++
		}
		hub.sendAll(topic, sent[from:to])
		for i := from; i < to; i++ {
			got[i].ID = sent[i].ID
		}
		from = to
		<-ticker.C
	}
}

// eventEnd is the end of an event and of a chunk (RFC 9112, section 7.1). An empty line alone may also be a chunk's beginning, and with a
// line end before it a chunk that has a single line end in it, and that need not be an event's.
var eventEnd = regexp.MustCompile("[^\r]\n\n\r\n")

// randomCuts cuts a client's connections anywhere: some of them within the first few events or before, the others where a large event
// may just have come through.
func randomCuts(use string, c client) cut.Plan {
	const (
		near, far, nearOneIn = 8 << 10, 4 * largeBytes, 3
		headerBytes          = 1 << 10 // more than the answer's headers have
	)
	r := random(use)
	return func() cut.Cut {
		next := cut.Cut{After: r.Int64N(far), Kind: cut.FIN}
		if r.IntN(nearOneIn) == 0 {
			next.After = r.Int64N(near)
		}
		if c.wholeHeaders != "" {
			next.After += headerBytes
		}
		if r.IntN(2) == 0 || c.finInHeaders != "" && next.After < headerBytes {
			next.Kind = cut.RST
		}
		if c.whole {
			// By RST a reader loses what it has not read yet, wherever the cut is.
			next.Kind, next.Behind = cut.FIN, eventEnd
		}
		return next
	}
}

func TestAnEventEndsBehindNoChunkOfASingleLineEnd(t *testing.T) {
	for text, want := range map[string]bool{
		"b\r\ndata: one\n\n\r\n":               true,
		"a\r\ndata: one\n\r\n1\r\n\n\r\n":      false, // an event's end too, but one cannot tell
		"9\r\ndata: one\r\n1\r\n\n\r\n":        false,
		"a\r\ndata: one\n\r\nb\r\n\ndata: two": false,
	} {
		if got := eventEnd.MatchString(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
