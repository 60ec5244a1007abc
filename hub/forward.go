package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/peer"
)

// forwardBytes is about how much one request to the leader has: as much as a batch of lines.
const forwardBytes = maxBatchBytes

// forwardPause is how long a hub waits until it passes events on again: a leader that has just taken over needs a few milliseconds. Each
// is twice as long as the one before, up to firstPause, since there may be many publishers.
const forwardPause = 5 * time.Millisecond

// forward has events stored by who appends, in their order and in as many requests as they take, up to the first that is refused where
// stop says so. Their ids are their publishers' already, and an event without one gets one: so a request whose answer is lost is sent
// again, also to the next leader, and stores nothing twice. What came of events without a receipt is not known when it fails, unless
// the error is errNotForwarded: nothing of them is stored then.
func (h *Hub) forward(events []*event.Event, stop bool) (receipts []peer.Receipt, err error) {
	for len(events) > 0 {
		q, n := peer.Append{Stop: stop}, 0
		own := map[int]bool{} // events that have an id of the hub's
		for size := 0; n < len(events) && (n == 0 || size+len(events[n].Data) <= forwardBytes); n++ {
			e := peer.EventOf(events[n])
			if size += len(e.Data); e.ID == "" {
				own[n] = true
				e.ID = "\x00" + h.peers.self.Instance + "\x00" + strconv.FormatUint(h.forwarded.Add(1), 10)
			}
			q.Events = append(q.Events, e)
		}
		some, err := h.forwardOne(q)
		for i := range some {
			some[i].Duplicate = some[i].Duplicate && !own[i]
		}
		receipts = append(receipts, some...)
		if err != nil {
			return receipts, err
		}
		h.metrics.forwarded.Add(float64(len(some)))
		if stop && len(some) > 0 && some[len(some)-1].Err() != nil {
			return receipts, nil
		}
		events = events[n:]
	}
	return receipts, nil
}

// errNotForwarded says that nobody was reached who stores events.
var errNotForwarded = errors.New("no hub of this stream appends now")

// errUnanswered says that somebody was, and did not answer.
var errUnanswered = errors.New("the hub that appends does not answer")

// forwardOne passes a request on until it is answered, or this hub appends itself, within a bounded time.
func (h *Hub) forwardOne(q peer.Append) ([]peer.Receipt, error) {
	ctx, cancel := context.WithTimeout(h.forwards, h.peers.times.Leaderless)
	defer cancel()
	outcome, hint, wait := errNotForwarded, peer.Peer{}, forwardPause
	for ctx.Err() == nil {
		_, to, changed := h.peers.now()
		if !h.log.Sealed() {
			receipts, err := h.keepAll(q)
			if !errors.Is(err, eventlog.ErrSealed) {
				return receipts, err
			}
		}
		hinted := hint.Address != "" && hint.Instance != h.peers.self.Instance
		if hinted {
			to = hint
		}
		if to.Address != "" {
			answer, err := h.peers.client.Append(ctx, to.Address, q)
			var refusal *peer.Refusal
			switch {
			case err == nil && q.AnsweredBy(answer):
				return answer.Receipts, nil
			case errors.As(err, &refusal):
				h.peers.redirect(to, refusal.Leader)
				if hint = refusal.Leader; hint.Address != "" && hint.Instance != h.peers.self.Instance && !hinted {
					continue
				}
			case !errors.Is(err, peer.ErrNotReached):
				outcome = errUnanswered
			}
		}
		hint = peer.Peer{}
		pause(ctx, wait, changed)
		wait = min(2*wait, firstPause)
	}
	return nil, outcome
}

// keepAll stores what another hub was sent, or this one as a follower. It fails with eventlog.ErrSealed when it may not append.
func (h *Hub) keepAll(q peer.Append) (receipts []peer.Receipt, err error) {
	defer h.log.Announce()
	if q.Complete != "" {
		end, err := h.complete(q.Complete)
		if errors.Is(err, eventlog.ErrSealed) {
			return nil, err
		}
		return []peer.Receipt{peer.ReceiptOf(end, false, err)}, nil
	}
	events := make([]*event.Event, len(q.Events))
	for i, e := range q.Events {
		if events[i], err = e.Event(); err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
	}
	for _, e := range events {
		receipt, err := h.keep(e)
		if errors.Is(err, eventlog.ErrSealed) {
			return nil, err
		}
		receipts = append(receipts, peer.ReceiptOf(receipt.ID, receipt.Duplicate, err))
		if err != nil && q.Stop {
			break
		}
	}
	return receipts, nil
}

// storeElsewhere has prepared events stored by who appends, in their order up to the first that is refused.
func (h *Hub) storeElsewhere(who auth.Publisher, events []*event.Event) (stored []answer, bad *problem) {
	receipts, err := h.forward(events, true)
	for i, r := range receipts {
		a, bad := h.answerFor(who, events[i], r.ID(), r.Duplicate, r.Err())
		if bad != nil {
			return stored, bad
		}
		stored = append(stored, a)
	}
	if err != nil {
		return stored, notStored(err)
	}
	return stored, nil
}

// notStored is the answer for what was not stored, as far as is known.
func notStored(err error) *problem {
	if errors.Is(err, errUnanswered) {
		return refuse(http.StatusServiceUnavailable, "outcome_unknown",
			"%v: it is stored, or not; send it again, which is harmless with an id and may store it twice without one", err).later(retryNotReady)
	}
	return refuse(http.StatusServiceUnavailable, "not_stored", "%v: nothing is stored, try again", err).later(retryNotReady)
}
