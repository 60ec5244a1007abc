package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
)

const (
	// escapeRoom is how many bytes of JSON one byte of text may take: \u0000.
	escapeRoom = 6
	// jsonRoom is what a JSON body may take besides its event: names, topics and type.
	jsonRoom = 32 << 10
	// maxTopicsAtOnce bounds the topics that one document is sent to.
	maxTopicsAtOnce = 64
)

// document is the JSON form of an event.
type document struct {
	Topic      string          `json:"topic"`
	Topics     []string        `json:"topics"`
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	TTL        string          `json:"ttl"`
	Key        string          `json:"key"`
	Data       json.RawMessage `json:"data"`
	DataBase64 *string         `json:"dataBase64"`
}

// publishDocuments stores what POST /v1/publish sends: one document, or a batch of lines.
func (h *Hub) publishDocuments(w http.ResponseWriter, r *http.Request, who auth.Publisher) *problem {
	limit := h.state.Load().config.Limits.MaxEventSize
	b := h.batch()
	defer h.release(b)
	switch mediaType([]byte(r.Header.Get("Content-Type"))) {
	case typeJSON:
		var bad *problem
		if b.body, bad = readBody(w, r, b.body[:0], escapeRoom*limit+jsonRoom, limit); bad != nil {
			return bad
		}
		return h.publishDocument(w, who, b, limit)
	case typeLines:
		return h.publishLines(w, r, who, b, limit)
	default:
		return refuse(http.StatusUnsupportedMediaType, "content_type", "POST /v1/publish takes `Content-Type: application/json` or application/x-ndjson; POST /v1/topics/{topic} takes any body")
	}
}

// mediaType is that of a Content-Type header, without its parameters. Most have none.
func mediaType(header []byte) string {
	switch string(header) {
	case typeJSON:
		return typeJSON
	case typeLines:
		return typeLines
	}
	kind, _, _ := mime.ParseMediaType(string(header))
	return kind
}

// publishDocument stores the event of a batch's body, in one topic or in several. Of several, all are checked before the first is stored.
func (h *Hub) publishDocument(w http.ResponseWriter, who auth.Publisher, b *batch, limit int64) *problem {
	if b.scanner.event(b.body, limit, &b.event) {
		return h.answer(w, who, &b.event)
	}
	events, several, bad := decodeDocument(b.body, limit)
	if bad != nil {
		return bad
	}
	if !several {
		return h.answer(w, who, events[0])
	}
	if bad := h.admitAll(who, events); bad != nil {
		return bad
	}
	answers, bad := h.storeAll(who, events)
	if bad != nil {
		bad.Detail += alreadyIn(answers)
		return bad
	}
	warn(w, events[0])
	writeJSON(w, http.StatusOK, struct {
		Results []answer `json:"results"`
	}{answers})
	return nil
}

// alreadyIn says where an event is stored that was refused for another topic.
func alreadyIn(topics []answer) (text string) {
	for i, a := range topics {
		text += map[bool]string{true: "; it is stored already in ", false: ", "}[i == 0] + a.Topic
	}
	return text
}

// decodeDocument makes events of any document, one for each topic, and says what is wrong with one that is refused. A string is data
// verbatim, other JSON is compacted.
func decodeDocument(body []byte, limit int64) (events []*event.Event, several bool, bad *problem) {
	var d document
	switch err := decodeJSON(body, &d); {
	case errors.Is(err, errNotUTF8):
		return nil, false, refuse(http.StatusUnsupportedMediaType, "data_not_utf8", "the document is no UTF-8 text (RFC 8259, section 8.1): send bytes as dataBase64")
	case errors.Is(err, errTextAfter):
		return nil, false, refuse(http.StatusBadRequest, "json_malformed", "there is text after the document: send one event, or lines as application/x-ndjson")
	case errors.Is(err, event.ErrSurrogate):
		return nil, false, refuse(http.StatusBadRequest, "json_malformed", "%v", err)
	case err != nil:
		return nil, false, refuse(http.StatusBadRequest, "json_malformed", "%v: write {\"topic\": …, \"type\": …, \"data\": …} or dataBase64 in place of data", err)
	}
	topics, several := d.Topics, len(d.Topics) > 0
	if !several {
		topics = []string{d.Topic}
	}
	if several && d.Topic != "" || len(topics) > maxTopicsAtOnce {
		return nil, several, refuse(http.StatusBadRequest, "topics", "write either topic or topics, of these at most %d", maxTopicsAtOnce)
	}
	for i, topic := range topics {
		if slices.Contains(topics[:i], topic) {
			return nil, several, refuse(http.StatusBadRequest, "topics", "topic %s is there twice: write each once", quote(topic))
		}
	}
	data, bad := d.data(limit)
	if bad != nil {
		return nil, several, bad
	}
	ttl, bad := readTTL(d.TTL)
	if bad != nil {
		return nil, several, bad
	}
	for _, topic := range topics {
		events = append(events, &event.Event{Topic: topic, Type: d.Type, ID: d.ID, Key: d.Key, TTL: ttl, Data: data, Base64: d.DataBase64 != nil})
	}
	return events, several, nil
}

func (d *document) data(limit int64) ([]byte, *problem) {
	if (d.Data == nil) == (d.DataBase64 == nil) {
		return nil, refuse(http.StatusBadRequest, "data_missing", "write either data or dataBase64")
	}
	if d.DataBase64 != nil {
		return checkBase64(*d.DataBase64, limit)
	}
	data, err := verbatim(d.Data)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "json_malformed", "data: %v", err)
	}
	return data, checkSize(len(data), limit)
}

func verbatim(value json.RawMessage) ([]byte, error) {
	if value[0] == '"' {
		var text string
		err := json.Unmarshal(value, &text)
		return []byte(text), err
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, value)
	return compact.Bytes(), err
}
