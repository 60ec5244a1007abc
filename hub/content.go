package hub

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/runnel-dev/runnel/hub/fanout"
)

// maxSkipped bounds content that nobody wants, as net/http does.
const maxSkipped = 256 << 10

// skipContent reads content that nobody wants, before its request is refused. A connection of HTTP/1 that is closed while content waits is reset,
// and its client may lose the answer. net/http reads it too, except on a connection that its client is about to close, as many proxies do.
func skipContent(r *http.Request) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, maxSkipped)
	}
}

// skipSoon bounds how long skipContent takes: content that never comes holds neither the answer nor the connection.
func skipSoon(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(fanout.Lingering))
}

// hasContent reports whether a request has content. A length that is not given says nothing: proxies forward a request without content in
// chunks, or with an empty DATA frame at its end (RFC 9112, section 6.3, and RFC 9113, section 8.1). That end has as much time to come as the
// headers had. Content that is there can only be skipped.
func (h *Hub) hasContent(w http.ResponseWriter, r *http.Request) (bool, *problem) {
	if r.ContentLength == 0 {
		return false, nil
	}
	connection := http.NewResponseController(w)
	var err error
	if r.ContentLength < 0 {
		_ = connection.SetReadDeadline(time.Now().Add(h.headers))
		var one [1]byte
		_, err = io.ReadFull(r.Body, one[:])
	}
	if errors.Is(err, io.EOF) {
		_ = connection.SetReadDeadline(time.Time{})
		return false, nil
	}
	skipSoon(w)
	if err != nil {
		return false, bodyUnreadable()
	}
	return true, nil
}

// refuseContent refuses a request that has content, and returns nil for one that has none.
func (h *Hub) refuseContent(w http.ResponseWriter, r *http.Request) *problem {
	has, bad := h.hasContent(w, r)
	if has {
		return refuse(http.StatusBadRequest, "body_unwanted", "%s takes no body here: leave it out, and Content-Length and Transfer-Encoding with it", r.Method)
	}
	return bad
}

// bodyUnreadable is the answer to a body that did not come as a whole.
func bodyUnreadable() *problem {
	return refuse(http.StatusBadRequest, "body_unreadable", "the body ended early or came too slowly: send it again")
}
