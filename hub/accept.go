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
	typeForm        = "application/x-www-form-urlencoded"
)

// negotiate chooses what a subscriber gets by its Accept headers (RFC 9110, section 12.5.1): what it prefers, and of two that it likes as
// much what it names more exactly. Server-Sent Events come first when that decides nothing. It is not ok when the subscriber takes neither.
// No header, or an empty one, takes everything.
func negotiate(accept []string) (mediaType string, ok bool) {
	all := strings.Join(accept, ",")
	if all == typeEventStream || strings.Trim(all, ", \t") == "" { // most
		return typeEventStream, true
	}
	var events, lines preference
	for part := range strings.SplitSeq(all, ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		quality, ok := readQuality(parameters)
		if !ok {
			continue
		}
		events.consider(kind, typeEventStream, quality)
		lines.consider(kind, typeLines, quality)
	}
	if lines.beats(events) {
		return typeLines, true
	}
	return typeEventStream, events.quality > 0
}

// readQuality returns a media range's weight (RFC 9110, section 12.4.2), 1 without one.
func readQuality(parameters map[string]string) (quality float64, ok bool) {
	text, given := parameters["q"]
	if !given {
		return 1, true
	}
	quality, err := strconv.ParseFloat(text, 64)
	return quality, err == nil && 0 <= quality && quality <= 1
}

// preference is how much a subscriber likes a media type. The most exact range that matches the type decides. A range's parameters other
// than its weight do not count, since a stream has one form.
type preference struct {
	quality   float64
	exactness int // of the range; 0 is none
}

// consider takes a media range into account.
func (p *preference) consider(mediaRange, mediaType string, quality float64) {
	exactness := 0
	family, _, _ := strings.Cut(mediaType, "/")
	switch mediaRange {
	case mediaType:
		exactness = 3
	case family + "/*":
		exactness = 2
	case "*/*":
		exactness = 1
	default:
		return
	}
	if exactness == p.exactness {
		quality = max(quality, p.quality)
	}
	if exactness >= p.exactness {
		*p = preference{quality, exactness}
	}
}

// beats reports whether a subscriber would rather have this than another.
func (p preference) beats(other preference) bool {
	return p.quality > other.quality || p.quality > 0 && p.quality == other.quality && p.exactness > other.exactness
}
