package hub

import (
	"context"
	"net/http"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/peer"
)

// waitFor waits, a bounded time, until a hub that copies the stream from another has as much of it as a reader has seen there. To tell that
// reader that its cursor is unknown would be wrong.
func (h *Hub) waitFor(w http.ResponseWriter, r *http.Request, q query) *problem {
	id, ok := event.ParseID(q.start.Cursor)
	if !ok || h.peers == nil || !h.peers.behind(id) {
		return nil
	}
	if _, byFront := w.(*direct); byFront {
		return passOn
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.peers.times.Ahead)
	defer cancel()
	news := make(chan struct{}, 1)
	h.log.Notify(news)
	defer h.log.Unnotify(news)
	for h.peers.behind(id) {
		_, _, changed := h.peers.now()
		select {
		case <-news:
		case <-changed:
		case <-ctx.Done():
			bad := refuse(http.StatusServiceUnavailable, "behind", "the events after your cursor have not come here yet: come back after the time in Retry-After").later(h.pool.Retry())
			bad.turnedAway = forHandover
			return bad
		}
	}
	return nil
}

// behind says whether the hub copies an epoch and has not come to an id of it.
func (p *peers) behind(id event.ID) bool {
	head := p.hub.log.Head()
	return id.Epoch == head.Epoch && id.Seq > head.Seq && p.is(peer.Following)
}
