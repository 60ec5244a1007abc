package hub

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/cloudevent"
	"github.com/runnel-dev/runnel/hub/event"
)

// publishCloudEvents stores what a request holds in any mode of the CloudEvents HTTP binding. The answer has no body: a Knative Broker
// takes one that is no CloudEvent for a failure.
func (h *Hub) publishCloudEvents(w http.ResponseWriter, r *http.Request, who auth.Publisher) *problem {
	limit := h.state.Load().config.Limits.MaxEventSize
	body, bad := readBody(w, r, nil, max(escapeRoom*limit+jsonRoom, maxBatchBytes), limit)
	if bad != nil {
		return bad
	}
	sent, err := cloudevent.ReadBody(r.Header, body)
	switch {
	case errors.Is(err, cloudevent.ErrMode):
		w.Header().Set("Accept-Post", cloudevent.TypeStructured+", "+cloudevent.TypeBatch)
		return refuse(http.StatusUnsupportedMediaType, "content_type", "%v: send ce-specversion, ce-id, ce-source and ce-type, or `Content-Type: %s` or %s; POST /v1/topics/{topic} takes any body", err, cloudevent.TypeStructured, cloudevent.TypeBatch)
	case errors.Is(err, cloudevent.ErrText):
		return refuse(http.StatusUnsupportedMediaType, "data_not_utf8", "%v", err)
	case err != nil:
		return refuse(http.StatusBadRequest, "cloudevent_malformed", "%v", err)
	}
	topic, _ := strings.CutPrefix(r.URL.Path, "/v1/cloudevents/")
	if topic == r.URL.Path {
		topic = ""
	}
	events := make([]*event.Event, len(sent))
	for i, e := range sent {
		if events[i], bad = fromCloudEvent(e, topic, limit, time.Now()); bad != nil {
			return bad
		}
	}
	if bad := h.admitAll(who, events); bad != nil {
		return bad
	}
	stored, bad := h.storeAll(who, events)
	for i, a := range stored {
		warn(w, events[i])
		w.Header().Set("Runnel-Event-Id", a.ID.String()) // of the last one
	}
	if bad != nil {
		bad.Detail += before(len(stored))
		return bad
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// before says what became of the events of a batch that came before one that was refused.
func before(n int) string {
	if n == 0 {
		return ""
	}
	return "; the events before it are stored, and stay so when the batch is sent again"
}

// fromCloudEvent makes an event of a CloudEvent: its source, which holds no space, and its id name it, its partitionkey is the key, and it is
// of no worth after its expirytime.
func fromCloudEvent(sent *cloudevent.Event, topic string, limit int64, now time.Time) (*event.Event, *problem) {
	if bad := checkSize(len(sent.Data), limit); bad != nil {
		return nil, bad
	}
	topic = cmp.Or(topic, sent.Attribute("topic"), sent.Attribute("subject"), sent.Type)
	if err := event.ValidateTopic(topic); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "topic_not_derivable", "neither path, nor attribute topic, subject or type gives a topic: %v, or POST to /v1/cloudevents/{topic}", err)
	}
	e := &event.Event{
		Topic: topic, Type: sent.Type, ID: sent.Source + " " + sent.ID, Key: sent.Attribute("partitionkey"),
		Data: sent.Data, Base64: sent.Binary, NoData: sent.NoData, Attributes: sent.Attributes,
	}
	if sent.Binary {
		e.Data = base64.StdEncoding.AppendEncode(nil, sent.Data)
	}
	if expires, err := cloudevent.ParseTime(sent.Attribute("expirytime")); err == nil {
		e.TTL = max(expires.Sub(now), 1)
	}
	return e, nil
}
