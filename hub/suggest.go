package hub

import (
	"errors"
	"iter"
	"net/http"
	"slices"

	"golang.org/x/time/rate"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// suggestionsPerSecond is how many refused topics a hub compares with others in a second, which takes 5% of a core at most. Further ones are
// refused without a suggestion: a loop may be the one to look for it, and whoever has no credential may ask for it.
const suggestionsPerSecond = 200

func newSuggestions() *rate.Limiter {
	return rate.NewLimiter(suggestionsPerSecond, suggestionsPerSecond)
}

// suggestion is what a refusal says of a topic or pattern that was probably meant, and then; it is empty for none. Nobody is told of what may
// be neither read nor published to.
func (h *Hub) suggestion(wanted string, among iter.Seq[event.Selector], may func(event.Selector) bool, then string) string {
	if !h.suggestions.Allow() {
		return ""
	}
	near := event.Near(wanted, among, may)
	if near == "" {
		return ""
	}
	return "did you mean " + near + "? " + then
}

// undeclared refuses a topic or pattern that the stream does not declare.
func (h *Hub) undeclared(wanted string, may func(event.Selector) bool) *problem {
	declared := func(yield func(event.Selector) bool) {
		for _, r := range h.state.Load().rules {
			if !yield(r.Selector) {
				return
			}
		}
	}
	return refuse(http.StatusNotFound, "topic_not_declared", "topic %s is not declared: %sadd it to the stream's spec.topics", wanted, h.suggestion(wanted, declared, may, "Otherwise "))
}

// undeclaredTo is undeclared for the log's error and a subscriber.
func (h *Hub) undeclaredTo(who *auth.Reader, err error) *problem {
	var undeclared *eventlog.UndeclaredError
	if !errors.As(err, &undeclared) {
		return refuse(http.StatusNotFound, "topic_not_declared", "%v", err)
	}
	return h.undeclared(undeclared.Name, who.MayRead)
}

// mayNotRead names a topic or pattern that a subscriber may not read. A wildcard needs a grant that holds all that it stands for.
func (h *Hub) mayNotRead(who *auth.Reader, selector event.Selector) *problem {
	suggestion := h.suggestion(selector.String(), slices.Values(who.Grants()), who.MayRead, "")
	return refuse(http.StatusForbidden, "topic_not_granted", "you may not read %s: %s%s", selector, suggestion, who.Advice(selector))
}

// mayNotPublish names a topic that a publisher may not publish to.
func (h *Hub) mayNotPublish(who auth.Publisher, topic string) *problem {
	suggestion := h.suggestion(topic, slices.Values(who.Grants()), mayPublish(who), "")
	return refuse(http.StatusForbidden, "topic_not_granted", "%s may not publish to %s: %s%s", who.Name, topic, suggestion, who.Advice())
}

func mayPublish(who auth.Publisher) func(event.Selector) bool {
	return func(s event.Selector) bool { return who.MayPublish(s.String()) }
}
