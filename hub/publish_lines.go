package hub

import (
	"bytes"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// maxLines and maxBatchBytes bound a batch.
const (
	maxLines      = 1000
	maxBatchBytes = 1 << 20
)

// maxKept bounds the body that a batch keeps room for: a buffer that grows to a batch of lines takes up to twice as much.
const maxKept = 2 * maxBatchBytes

// batch is what publishing documents takes, a single one or one a line. It serves one request after the other: an event that is stored
// keeps nothing of the text that it was read from.
type batch struct {
	body     []byte
	answers  []byte
	warnings []string // each once
	scanner  scanner
	event    event.Event
}

// batch returns one to be released.
func (h *Hub) batch() *batch {
	if b, ok := h.batches.Get().(*batch); ok {
		return b
	}
	return &batch{}
}

func (h *Hub) release(b *batch) {
	if cap(b.body) <= maxKept {
		h.batches.Put(b)
	}
}

// publishLines stores a batch and answers with a line for each of its lines.
func (h *Hub) publishLines(w http.ResponseWriter, r *http.Request, who auth.Publisher, b *batch, limit int64) *problem {
	var bad *problem
	b.body, bad = readBody(w, r, b.body[:0], maxBatchBytes, maxBatchBytes)
	if bad != nil && bad.Status == http.StatusRequestEntityTooLarge {
		return refuse(http.StatusRequestEntityTooLarge, "batch_too_large", "the lines take more than %d bytes: send fewer at once; nothing is stored", maxBatchBytes)
	}
	if bad != nil {
		return bad
	}
	if bad := h.publishBatch(who, b, limit); bad != nil {
		return bad
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.stall))
	w.Header().Set("Content-Type", typeLines)
	for _, text := range b.warnings {
		w.Header().Add("Warning", text)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b.answers)))
	_, _ = w.Write(b.answers) // a publisher that is gone may send the lines again under the same ids
	return nil
}

// publishBatch stores the lines of a batch's body in their order, each for itself: a line that is refused stops none of the others. It
// announces them, and leaves the answers in the batch: readers do not wait for a publisher that does not read its answer.
func (h *Hub) publishBatch(who auth.Publisher, b *batch, limit int64) *problem {
	lines := 0
	for range linesOf(b.body) {
		lines++
	}
	if lines > maxLines {
		return refuse(http.StatusRequestEntityTooLarge, "batch_too_large", "%d lines: send at most %d at once; nothing is stored", lines, maxLines)
	}
	if bad := h.pace(who, lines); bad != nil {
		return bad
	}
	b.answers, b.warnings = b.answers[:0], b.warnings[:0]
	var rest elsewhere
	for i, line := range linesOf(b.body) {
		e, bad := h.readLine(who, b, line, limit)
		if bad == nil && !rest.begun() {
			receipt, err := h.keep(e)
			if !errors.Is(err, eventlog.ErrSealed) {
				stored, bad := h.answerFor(who, e, receipt.ID, receipt.Duplicate, err)
				h.answerLine(b, i, e, stored, bad)
				continue
			}
		}
		if bad == nil || rest.begun() {
			rest.add(e, bad)
			continue
		}
		h.answerLine(b, i, e, answer{}, bad)
	}
	h.log.Announce()
	h.storeRest(who, b, lines, &rest)
	return nil
}

// elsewhere is the rest of a batch, from the line on at which another hub stores events. Lines that were refused keep their places.
type elsewhere struct {
	events []*event.Event // nil for a line that was refused
	bad    []*problem     // nil for the others
}

func (r *elsewhere) begun() bool { return len(r.events) > 0 }

// add keeps an event of which nothing belongs to the batch.
func (r *elsewhere) add(e *event.Event, bad *problem) {
	var own *event.Event
	if bad == nil {
		copied := *e
		copied.Data = bytes.Clone(e.Data)
		own = &copied
	}
	r.events, r.bad = append(r.events, own), append(r.bad, bad)
}

// storeRest has the rest of a batch of so many lines stored by who appends, in its order.
func (h *Hub) storeRest(who auth.Publisher, b *batch, lines int, rest *elsewhere) {
	if !rest.begun() {
		return
	}
	receipts, err := h.forward(slices.DeleteFunc(slices.Clone(rest.events), func(e *event.Event) bool { return e == nil }), false)
	for i, e := range rest.events {
		stored, bad := answer{}, rest.bad[i]
		switch {
		case bad != nil:
		case len(receipts) > 0:
			stored, bad = h.answerFor(who, e, receipts[0].ID(), receipts[0].Duplicate, receipts[0].Err())
			receipts = receipts[1:]
		default:
			bad = notStored(err)
		}
		h.answerLine(b, lines-len(rest.events)+i, e, stored, bad)
	}
}

// linesOf are the lines of a body that hold more than JSON's whitespace (RFC 8259, section 2), with their numbers from 0. Files that were put
// one after the other may have a byte order mark before each.
func linesOf(body []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		number := 0
		for line := range bytes.SplitSeq(body, []byte{'\n'}) {
			line = event.TrimBOM(line)
			if len(bytes.TrimLeft(line, " \t\r")) == 0 {
				continue
			}
			if !yield(number, line) {
				return
			}
			number++
		}
	}
}

// readLine makes a prepared event of a line, good until the next.
func (h *Hub) readLine(who auth.Publisher, b *batch, line []byte, limit int64) (*event.Event, *problem) {
	e := &b.event
	if !b.scanner.event(line, limit, e) {
		events, several, bad := decodeDocument(line, limit)
		if bad != nil {
			return nil, bad
		}
		if several {
			return nil, refuse(http.StatusBadRequest, "topics_in_batch", "a line of a batch has one topic: write a line for each")
		}
		e = events[0]
	}
	return e, h.prepare(who, e)
}

// answerLine adds the answer to a line.
func (h *Hub) answerLine(b *batch, index int, e *event.Event, stored answer, bad *problem) {
	if bad != nil {
		h.metrics.refusedPublish(bad)
	} else if text := warning(e); text != "" && !slices.Contains(b.warnings, text) {
		b.warnings = append(b.warnings, text)
	}
	b.answers = appendLineAnswer(b.answers, index, stored, bad)
}

// appendLineAnswer appends the answer to one line of a batch: its index, and the event's id or why it was refused.
func appendLineAnswer(b []byte, index int, stored answer, bad *problem) []byte {
	b = strconv.AppendInt(append(b, `{"index":`...), int64(index), 10)
	if bad != nil {
		b = event.AppendJSON(append(b, `,"error":`...), bad)
		return append(b, '}', '\n')
	}
	b = append(stored.ID.Append(append(b, `,"id":"`...)), '"')
	if stored.Duplicate {
		b = append(b, `,"duplicate":true`...)
	}
	return append(b, '}', '\n')
}
