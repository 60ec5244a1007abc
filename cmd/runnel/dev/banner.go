package dev

import (
	"fmt"
	"strings"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

// banner is what is printed at the start: where the hub is, what is different from a cluster, and lines to copy.
func banner(p *plan, at hub.Addrs, references string) string {
	b := &strings.Builder{}
	scheme := "http"
	if p.config.TLS != nil {
		scheme = "https"
	}
	subscribe, publish := scheme+"://"+at.Subscribe, scheme+"://"+at.Publish
	fmt.Fprintf(b, "EventStream %s is served:\n", name(p))
	fmt.Fprintf(b, "  subscribe  %s\n  publish    %s\n  admin      http://%s\n", subscribe, publish, at.Admin)
	for _, n := range p.notes {
		fmt.Fprintf(b, "Note: %s.\n", n)
	}
	topic := exampleTopic(p.config.Topics)
	events := fmt.Sprintf("%s/v1/events?topic=%s", subscribe, topic)
	b.WriteString("Try:\n")
	if p.config.Auth.Subscribers.Anonymous != nil {
		fmt.Fprintf(b, "  curl -N '%s'\n", events)
	} else {
		fmt.Fprintf(b, "  curl -N -H \"Authorization: Bearer $TOKEN\" '%s'   # a token of %s\n", events, issuers(p.config))
	}
	fmt.Fprintf(b, "  %s\n", publishLine(p, fmt.Sprintf("%s/v1/topics/%s", publish, topic), references))
	if p.config.Auth.Subscribers.Anonymous != nil {
		fmt.Fprintf(b, "  new EventSource('%s').onmessage = e => console.log(e.data)   // %s\n", events, page(p.config.CORS, subscribe))
	}
	b.WriteString("Changes of the file are taken up. Ctrl-C ends it.\n")
	return b.String()
}

// publishLine publishes an event.
func publishLine(p *plan, url, references string) string {
	const data = `-d '{"hello":"world"}' `
	switch keys := p.config.Auth.Publishers.Keys; {
	case p.openToPublish():
		return "curl " + data + url
	case len(keys) > 0 && references != "":
		return fmt.Sprintf(`curl -H "Authorization: Bearer $(cat %s)" %s%s`, file(keys[0].Token, references), data, url)
	case len(keys) > 0:
		return fmt.Sprintf(`curl -H "Authorization: Bearer $KEY" %s%s   # the key %s`, data, url, keys[0].Name)
	default:
		return "curl " + data + url + "   # needs --insecure-publish"
	}
}

func issuers(c *config.Config) string {
	var names []string
	for _, i := range c.Auth.Subscribers.JWT.Issuers {
		names = append(names, i.Issuer)
	}
	return strings.Join(names, " or ")
}

// page says in which page's console a script may read the stream.
func page(cors config.CORS, subscribe string) string {
	switch {
	case len(cors.AllowedOrigins) == 0:
		return "in the console of a page of " + subscribe + ", since spec.cors allows no other"
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
