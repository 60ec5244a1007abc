package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/event"
)

// jsonRoom is what a JSON body may take besides twice its event: names, topic and type.
const jsonRoom = 8 << 10

// document is the JSON form of an event.
type document struct {
	Topic      string          `json:"topic"`
	Type       string          `json:"type"`
	Data       json.RawMessage `json:"data"`
	DataBase64 *string         `json:"dataBase64"`
}

// readJSON makes an event of a JSON document. A string is data verbatim, other JSON is compacted.
func (h *Hub) readJSON(w http.ResponseWriter, r *http.Request) (*event.Event, *problem) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "content_type", "POST /v1/publish takes `Content-Type: application/json`; POST /v1/topics/{topic} takes any body")
	}
	limit := h.state.Load().config.Limits.EventBytes
	body, bad := readBody(w, r, 2*limit+jsonRoom, limit)
	if bad != nil {
		return nil, bad
	}
	if !utf8.Valid(body) {
		return nil, refuse(http.StatusUnsupportedMediaType, "data_not_utf8", "the document is no UTF-8 text (RFC 8259, section 8.1): send bytes as dataBase64")
	}
	var d document
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return nil, refuse(http.StatusBadRequest, "json_malformed", "%v: write {\"topic\": …, \"type\": …, \"data\": …} or dataBase64 in place of data", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, refuse(http.StatusBadRequest, "json_malformed", "there is text after the document: send one event a request")
	}
	data, bad := d.data(limit)
	if bad != nil {
		return nil, bad
	}
	return &event.Event{Topic: d.Topic, Type: d.Type, Data: data}, nil
}

func (d *document) data(limit int64) ([]byte, *problem) {
	if (d.Data == nil) == (d.DataBase64 == nil) {
		return nil, refuse(http.StatusBadRequest, "data_missing", "write either data or dataBase64")
	}
	if d.DataBase64 != nil {
		return decodeBase64(*d.DataBase64, limit)
	}
	var data []byte
	if d.Data[0] == '"' {
		var text string
		if err := json.Unmarshal(d.Data, &text); err != nil {
			return nil, refuse(http.StatusBadRequest, "json_malformed", "data: %v", err)
		}
		data = []byte(text)
	} else {
		var compact bytes.Buffer
		if err := json.Compact(&compact, d.Data); err != nil {
			return nil, refuse(http.StatusBadRequest, "json_malformed", "data: %v", err)
		}
		data = compact.Bytes()
	}
	if int64(len(data)) > limit {
		return nil, refuse(http.StatusRequestEntityTooLarge, "event_too_large", "the event has %d bytes, more than %d: send less, or a link, or raise spec.limits.eventBytes", len(data), limit)
	}
	return data, nil
}
