package hub

import (
	"net/http"
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

// addURL adds the parameters of a URL. A topic in its path stands for those of the query.
func (p *parameters) addURL(rawQuery, topic string) {
	if topic == "" {
		p.addForm(rawQuery)
		return
	}
	for name, value := range formPairs(rawQuery) {
		if name == "topic" {
			p.ignore(name)
			continue
		}
		p.add(name, value)
	}
	p.add("topic", topic)
}

// addForm adds the parameters of a form.
func (p *parameters) addForm(text string) {
	for name, value := range formPairs(text) {
		p.add(name, value)
	}
}

// query reads what the parameters and a header ask for.
func (p *parameters) query(header http.Header) (q query, bad *problem) {
	if q.selectors, bad = readSelectors(p.values["topic"]); bad != nil {
		return q, bad
	}
	if q.start, bad = readStart(p, time.Now()); bad != nil {
		return q, bad
	}
	q.start.Cursor, q.start.Earliest = readCursor(header.Get("Last-Event-ID"), p.values["last_event_id"])
	q.ticket, q.token, q.begin.Ignored = p.get("ticket"), p.get("access_token"), p.ignored
	return q, q.readOptions(p)
}

func readSelectors(topics []string) ([]event.Selector, *problem) {
	if len(topics) == 0 {
		return nil, refuse(http.StatusBadRequest, "topic_missing", `no topic: write topic=a&topic=b.* in the URL or in a form, or {"topic":["a","b.*"]} in a JSON body`)
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

// readCursor reads where the subscriber was. The header wins, since a browser comes back to the same URL, with what its query said at first.
// Of several cursors in the query the last one counts: libraries append one at each reconnect, to a URL that may begin with earliest. What is
// no id of a hub counts only when there is nothing better.
func readCursor(header string, values []string) (cursor string, fromEarliest bool) {
	if header != "" && header != earliest {
		return cut(header), false
	}
	fromEarliest = header == earliest
	for _, value := range slices.Backward(values) {
		switch _, isID := event.ParseID(value); {
		case isID:
			return value, false
		case value == earliest:
			fromEarliest = true
		case cursor == "":
			cursor = cut(value)
		}
	}
	if fromEarliest {
		return "", true
	}
	return cursor, false
}

func cut(cursor string) string { return cursor[:min(len(cursor), maxCursorBytes)] }
