package hub

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/peer"
)

// maxListed bounds one page of topics.
const maxListed = 1000

// completing ends a topic, after a last event if there is one: a body, or anything that says what the event is.
func (h *Hub) completing(topic string) publishing {
	return func(w http.ResponseWriter, r *http.Request, who auth.Publisher) *problem {
		e, bad := h.readRaw(w, r, topic)
		if bad != nil {
			return bad
		}
		if len(e.Data) > 0 || e.Type != "" || e.ID != "" || e.Key != "" || e.TTL != 0 {
			e.Last = true
			return h.answer(w, who, e)
		}
		if bad := h.pace(who, 1); bad != nil {
			return bad
		}
		if bad := h.check(who, e); bad != nil {
			return bad
		}
		end, err := h.complete(topic)
		if errors.Is(err, eventlog.ErrSealed) {
			var receipts []peer.Receipt
			if receipts, err = h.forwardOne(peer.Append{Complete: topic}); err != nil {
				return notStored(err)
			}
			end, err = receipts[0].ID(), receipts[0].Err()
		}
		stored, bad := h.answerFor(who, e, end, false, err)
		if bad != nil {
			return bad
		}
		stored.write(w)
		return nil
	}
}

// complete ends a topic here, and lets its readers and other hubs see it.
func (h *Hub) complete(topic string) (event.ID, error) {
	end, err := h.log.Complete(topic)
	if err == nil {
		h.pool.Wake(topic)
		h.log.Announce()
	}
	return end, err
}

// topicInfo is what a publisher is told of a topic.
type topicInfo struct {
	Topic string `json:"topic"`
	// Depth is the number of retained events, Bytes the memory that they take.
	Depth int   `json:"depth"`
	Bytes int64 `json:"bytes"`
	// FirstID and LastID are of the oldest and the newest retained event.
	FirstID *event.ID `json:"firstId,omitempty"`
	LastID  *event.ID `json:"lastId,omitempty"`
	// Subscribers counts readers, one that chooses the topic twice as two.
	Subscribers int  `json:"subscribers"`
	Complete    bool `json:"complete"`
}

func (h *Hub) topicInfo(u eventlog.TopicUsage) topicInfo {
	info := topicInfo{Topic: u.Name, Depth: u.Events, Bytes: u.Bytes, Subscribers: h.pool.Subscriptions(u.Name), Complete: u.Complete}
	if u.Events > 0 {
		info.FirstID, info.LastID = &u.First, &u.Last
	}
	return info
}

// describing tells of one topic.
func (h *Hub) describing(topic string) publishing {
	return func(w http.ResponseWriter, _ *http.Request, who auth.Publisher) *problem {
		if bad := h.check(who, &event.Event{Topic: topic}); bad != nil {
			return bad
		}
		usage, err := h.log.Topic(topic)
		if err != nil {
			return h.undeclared(topic, mayPublish(who))
		}
		writeJSON(w, http.StatusOK, h.topicInfo(usage))
		return nil
	}
}

// listTopics tells of the topics that the publisher may publish to, ordered by name, page by page.
func (h *Hub) listTopics(w http.ResponseWriter, r *http.Request, who auth.Publisher) *problem {
	values := formValues(r.URL.RawQuery)
	limit := maxListed
	if text := values.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxListed {
			return malformed("limit", text, "a number from 1 to 1000")
		}
	}
	usages, more := h.log.Topics(values.Get("after"), limit, who.MayPublish)
	page := struct {
		Topics []topicInfo `json:"topics"`
		// After is what to ask for next.
		After string `json:"after,omitempty"`
	}{Topics: []topicInfo{}}
	for _, u := range usages {
		page.Topics = append(page.Topics, h.topicInfo(u))
	}
	if more {
		page.After = usages[len(usages)-1].Name
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}
