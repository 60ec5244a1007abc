package hub

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
)

// maxLines and maxBatchBytes bound a batch.
const (
	maxLines      = 1000
	maxBatchBytes = 1 << 20
)

// batch is what publishing many lines takes. It serves one request after the other: an event that is stored keeps nothing of the text
// that it was read from.
type batch struct {
	body    []byte
	answers []byte
	scanner scanner
	event   event.Event
}

// publishLines stores a batch and answers with a line for each of its lines.
func (h *Hub) publishLines(w http.ResponseWriter, r *http.Request, who auth.Publisher, limit int64) *problem {
	b, _ := h.batches.Get().(*batch)
	if b == nil {
		b = &batch{}
	}
	defer h.batches.Put(b)
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
	w.Header().Set("Content-Length", strconv.Itoa(len(b.answers)))
	_, _ = w.Write(b.answers) // a publisher that is gone may send the lines again under the same ids
	return nil
}

// publishBatch stores the lines of a batch's body in their order, each for itself: a line that is refused stops none of the others. It
// announces them, and leaves the answers in the batch: readers do not wait for a publisher that does not read its answer.
func (h *Hub) publishBatch(who auth.Publisher, b *batch, limit int64) *problem {
	rest := bytes.TrimRight(b.body, "\n")
	lines := bytes.Count(rest, []byte{'\n'}) + 1
	if lines > maxLines {
		return refuse(http.StatusRequestEntityTooLarge, "batch_too_large", "%d lines: send at most %d at once; nothing is stored", lines, maxLines)
	}
	if bad := h.pace(who, lines); bad != nil {
		return bad
	}
	b.answers = b.answers[:0]
	for i := range lines {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		stored, bad := h.publishLine(who, b, line, limit)
		if bad != nil {
			h.metrics.refusedPublish(bad)
		}
		b.answers = appendLineAnswer(b.answers, i, stored, bad)
	}
	h.log.Announce()
	return nil
}

func (h *Hub) publishLine(who auth.Publisher, b *batch, line []byte, limit int64) (answer, *problem) {
	if b.scanner.event(line, limit, &b.event) {
		return h.store(who, &b.event)
	}
	events, several, bad := decodeDocument(line, limit)
	if bad != nil {
		return answer{}, bad
	}
	if several {
		return answer{}, refuse(http.StatusBadRequest, "topics_in_batch", "a line of a batch has one topic: write a line for each")
	}
	return h.store(who, events[0])
}

// appendLineAnswer appends the answer to one line of a batch: its index from 0, and the event's id or why it was refused.
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
