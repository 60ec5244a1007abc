package hub

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

// problem is an error answer (RFC 9457, section 3).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what is wrong and what to write instead.
	Detail string `json:"detail"`
	// Code names the problem for programs.
	Code string `json:"code"`

	retryAfter time.Duration
	// challenge is the WWW-Authenticate of a 401; empty names the scheme alone.
	challenge string
	// turnedAway is why a reader that could be served later is not served now; empty for what waiting does not mend.
	turnedAway turnedAway
}

func (p *problem) Error() string { return p.Detail }

// refuse makes a problem. Its detail says what to write instead.
func refuse(status int, code, format string, args ...any) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// later adds when to try again (RFC 9110, section 10.2.3).
func (p *problem) later(after time.Duration) *problem {
	p.retryAfter = after
	return p
}

func (p *problem) write(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", cmp.Or(p.challenge, bearer))
	}
	writeJSON(w, p.Status, p)
}

// writeJSON answers with a value. That the client is gone is no error of ours.
func writeJSON(w http.ResponseWriter, status int, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", typeJSON)
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(event.AppendJSON(nil, v), '\n'))
}
