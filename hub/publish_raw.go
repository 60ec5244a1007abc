package hub

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// readRaw makes an event of a body as it is, whatever its content type says.
func (h *Hub) readRaw(w http.ResponseWriter, r *http.Request, topic string) (*event.Event, *problem) {
	values, bad := readParameters(r.URL.RawQuery)
	if bad != nil {
		return nil, bad
	}
	limit := h.state.Load().config.Limits.MaxEventSize
	body, bad := readBody(w, r, nil, rawRoom(values, limit), limit)
	if bad != nil {
		return nil, bad
	}
	return rawEvent(topic, values, r.Header.Get, body, limit)
}

// readParameters reads the query of a raw event, which says what the event is. Of a query without any it takes no memory.
func readParameters(query string) (url.Values, *problem) {
	if query == "" {
		return nil, nil
	}
	values := url.Values{}
	for name, value := range formPairs(query) {
		switch name {
		case "type", "id", "ttl", "key", "encoding":
			values.Add(name, value)
		default: // would otherwise be lost without a word
			return nil, refuse(http.StatusBadRequest, "parameter_unknown", "parameter %s is not known: write type, id, ttl, key or encoding", quote(name))
		}
	}
	if e := values.Get("encoding"); e != "" && e != "base64" {
		return nil, refuse(http.StatusBadRequest, "encoding_unknown", "encoding %s is not known: write base64, or leave it out", quote(e))
	}
	return values, nil
}

// rawRoom is how many bytes of body a raw event of at most limit bytes may take.
func rawRoom(values url.Values, limit int64) int64 {
	if !isBase64(values) {
		return limit
	}
	return int64(base64.StdEncoding.EncodedLen(int(limit))) + 2 // and a line end
}

func isBase64(values url.Values) bool { return values.Get("encoding") == "base64" }

// rawEvent makes an event of what readParameters has read, of headers and of a body, of which the event keeps hold. The header
// function returns a header's first value, or an empty text.
func rawEvent(topic string, values url.Values, header func(name string) string, body []byte, limit int64) (*event.Event, *problem) {
	ttl, bad := readTTL(either(values.Get("ttl"), header("Event-TTL")))
	if bad != nil {
		return nil, bad
	}
	e := &event.Event{
		Topic:  topic,
		Type:   either(values.Get("type"), header("Event-Type")),
		ID:     either(values.Get("id"), unquoted(header("Idempotency-Key"))),
		Key:    values.Get("key"),
		TTL:    ttl,
		Data:   body,
		Base64: isBase64(values),
	}
	if e.Base64 {
		e.Data, bad = checkBase64(strings.TrimSpace(string(body)), limit)
	}
	if bad != nil {
		return nil, bad
	}
	return e, nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// unquoted takes the quotes off a structured field's string (RFC 8941, section 3.3.3).
func unquoted(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

func readTTL(text string) (time.Duration, *problem) {
	if text == "" {
		return 0, nil
	}
	ttl, ok := parseDuration(text)
	if !ok || ttl == 0 {
		return 0, malformed("ttl", text, durationForm)
	}
	return ttl, nil
}

// bodyAtOnce bounds the memory that a request is given for what it only announces.
const bodyAtOnce = 64 << 10

// readBody reads a body of at most room bytes without its content codings, into a buffer if there is one. The limit is what the publisher
// is told.
func readBody(w http.ResponseWriter, r *http.Request, into []byte, room, limit int64) ([]byte, *problem) {
	gzips, bad := codingsOf(w, r)
	if bad != nil {
		return nil, bad
	}
	announced := min(max(r.ContentLength, 0), room, bodyAtOnce)
	body := bytes.NewBuffer(slices.Grow(into, int(announced)+bytes.MinRead)) // which it wants free to see the end
	content, err := decoded(w, r, room, gzips)
	if err == nil {
		_, err = body.ReadFrom(content)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuse(http.StatusRequestEntityTooLarge, "event_too_large", "the event is larger than %d bytes: send less, or a link, or raise spec.limits.maxEventSize", limit)
	case err != nil && gzips > 0:
		return nil, refuse(http.StatusBadRequest, "coding_malformed", "the body is not gzip as its Content-Encoding says, or ended early (%v): send all that gzip made, or leave the header out", err)
	case err != nil:
		return nil, bodyUnreadable()
	}
	return body.Bytes(), nil
}

// checkBase64 returns the base64 form of bytes, of which there may be so many.
func checkBase64(text string, limit int64) ([]byte, *problem) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "base64_malformed", "the data is not base64: write the alphabet of RFC 4648, section 4, with padding")
	}
	if bad := checkSize(len(data), limit); bad != nil {
		return nil, bad
	}
	return base64.StdEncoding.AppendEncode(nil, data), nil // without the line ends that it may have had
}

func checkSize(bytes int, limit int64) *problem {
	if int64(bytes) > limit {
		return refuse(http.StatusRequestEntityTooLarge, "event_too_large", "the event has %d bytes, more than %d: send less, or a link, or raise spec.limits.maxEventSize", bytes, limit)
	}
	return nil
}
