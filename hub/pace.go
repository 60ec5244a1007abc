package hub

import (
	"net/http"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
)

// pace says whether a publisher may send so many events now. A request is taken as a whole or not at all.
func (h *Hub) pace(who auth.Publisher, events int) *problem {
	limit := h.state.Load().config.Limits.EventsPerSecondPerPublisher
	if wait, ok := h.rates.allow(who.Name, events, limit); !ok {
		return refuse(http.StatusTooManyRequests, "rate_exceeded", "%s sends more than %d events a second: nothing of this request is stored, send it again after the time in Retry-After, or raise spec.limits.eventsPerSecondPerPublisher", who.Name, limit).later(wait)
	}
	return nil
}

// admitAll checks several events and takes them at their publisher's pace, before the first is stored. A request that is refused as a whole
// costs what one event costs, however many it holds: it must not be a way round the pace.
func (h *Hub) admitAll(who auth.Publisher, events []*event.Event) *problem {
	bad := h.checkAll(who, events)
	if bad == nil {
		return h.pace(who, len(events))
	}
	if late := h.pace(who, 1); late != nil {
		return late
	}
	return bad
}
