package hub

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
)

const (
	// maxSelectors bounds the topics of one reader.
	maxSelectors = 64
	// maxCursorBytes bounds what is read of a cursor; ours have at most 29.
	maxCursorBytes = 256
)

// earliest as a cursor asks for all that is retained.
const earliest = "earliest"

// readQuery reads what a reader asks for. Parameters that the hub does not know are left alone.
func readQuery(r *http.Request, topic string) (query, *problem) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, refuse(http.StatusBadRequest, "malformed_query", "the query is malformed: percent-encode each value, `>` as %%3E")
	}
	topics := values["topic"]
	if topic != "" {
		topics = []string{topic}
	}
	q := query{}
	var bad *problem
	if q.selectors, bad = readSelectors(topics); bad != nil {
		return q, bad
	}
	if q.start, bad = readStart(values, time.Now()); bad != nil {
		return q, bad
	}
	q.start.Cursor, q.start.Earliest = readCursor(r.Header, values)
	if bad := q.readOptions(values); bad != nil {
		return q, bad
	}
	return q, nil
}

func readSelectors(topics []string) ([]event.Selector, *problem) {
	if len(topics) == 0 {
		return nil, refuse(http.StatusBadRequest, "topic_missing", "no topic: write /v1/events?topic=a&topic=b.*")
	}
	if len(topics) > maxSelectors {
		return nil, refuse(http.StatusBadRequest, "too_many_topics", "%d topics: write at most %d, or a pattern", len(topics), maxSelectors)
	}
	var out []event.Selector
	for i, t := range topics {
		if slices.Contains(topics[:i], t) {
			continue
		}
		s, err := event.ParseSelector(strings.Clone(t)) // without the request that it is a part of
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "topic_malformed", "%v", err)
		}
		out = append(out, s)
	}
	return out, nil
}

// readCursor reads where the reader was. The header wins: a browser comes back to the same URL, with what its query said at
// first.
func readCursor(header http.Header, values url.Values) (cursor string, fromEarliest bool) {
	cursor = header.Get("Last-Event-ID")
	for _, name := range []string{"last_event_id", "lastEventId"} {
		if cursor == "" {
			cursor = values.Get(name)
		}
	}
	if cursor == earliest {
		return "", true
	}
	return cursor[:min(len(cursor), maxCursorBytes)], false
}

// quote shortens and quotes what a client sent, for a message back to it.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return "`" + strings.ToValidUTF8(s, "�") + "`"
}
