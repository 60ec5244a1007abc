package dev

import (
	"fmt"
	"strings"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

// banner is what is printed at the start: where the hub is, what is different from a cluster, and lines to copy.
func banner(p *plan, at hub.Addrs) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "EventStream %s is served:\n", name(p))
	fmt.Fprintf(b, "  subscribe  http://%s\n  publish    http://%s\n  admin      http://%s\n", at.Subscribe, at.Publish, at.Admin)
	for _, n := range p.notes {
		fmt.Fprintf(b, "Note: %s.\n", n)
	}
	topic := exampleTopic(p.config.Topics)
	events := fmt.Sprintf("http://%s/v1/events?topic=%s", at.Subscribe, topic)
	publish := fmt.Sprintf("curl -d '{\"hello\":\"world\"}' http://%s/v1/topics/%s", at.Publish, topic)
	if !p.openToPublish() {
		publish += "   # needs --insecure-publish"
	}
	fmt.Fprintf(b, "Try:\n  curl -N '%s'\n  %s\n", events, publish)
	fmt.Fprintf(b, "  new EventSource('%s').onmessage = e => console.log(e.data)   // %s\n", events, page(p.config.CORS, at))
	b.WriteString("Changes of the file are taken up. Ctrl-C ends it.\n")
	return b.String()
}

// page says in which page's console a script may read the stream.
func page(cors config.CORS, at hub.Addrs) string {
	switch {
	case len(cors.AllowedOrigins) == 0:
		return "in the console of a page of http://" + at.Subscribe + ", since spec.cors allows no other"
	case cors.AllowedOrigins[0] == "*":
		return "in any page's console"
	default:
		return "in the console of a page of " + strings.Join(cors.AllowedOrigins, " or ")
	}
}

// exampleTopic is the first exact topic, else one that the first pattern matches.
func exampleTopic(topics []config.Topic) string {
	for _, t := range topics {
		if s, err := event.ParseSelector(t.Name); err == nil && s.Exact() {
			return t.Name
		}
	}
	tokens := strings.Split(topics[0].Name, ".")
	for i, t := range tokens {
		if t == "*" || t == ">" {
			tokens[i] = "example"
		}
	}
	return strings.Join(tokens, ".")
}
