package hub

import (
	"mime"
	"strconv"
	"strings"
)

// Media types of streams and documents.
const (
	typeJSON        = "application/json"
	typeEventStream = "text/event-stream"
	typeLines       = "application/x-ndjson"
)

// negotiate chooses what a reader gets by its Accept headers (RFC 9110, section 12.5.1): Server-Sent Events unless it prefers JSON
// lines, or nothing when it takes neither. None, or an empty one, lets in everything. Only application/x-ndjson itself asks for lines: whoever takes
// anything takes Server-Sent Events.
func negotiate(accept []string) (mediaType string, ok bool) {
	all := strings.Join(accept, ",")
	if strings.Trim(all, ", \t") == "" {
		return typeEventStream, true
	}
	var events, lines, rest float64
	for _, part := range strings.Split(all, ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, given := parameters["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch kind {
		case typeEventStream:
			events = max(events, q)
		case "text/*", "*/*":
			rest = max(rest, q)
		case typeLines:
			lines = max(lines, q)
		}
	}
	if lines > events && lines >= rest {
		return typeLines, true
	}
	return typeEventStream, events+rest > 0
}
