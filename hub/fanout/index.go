package fanout

import (
	"strings"

	"github.com/runnel-dev/runnel/hub/event"
)

// set is readers.
type set map[*reader]struct{}

// index finds the readers of a topic: exact selectors by name, patterns by a tree of their tokens, so that the cost does not
// grow with the number of patterns that do not match.
type index struct {
	exact map[string]set
	tree  *node
}

// node is the state after some tokens of patterns.
type node struct {
	next map[string]*node // by literal token or `*`
	here set              // of patterns that end here
	rest set              // of patterns that go on with `>`
}

func newIndex() index { return index{exact: map[string]set{}, tree: &node{}} }

func (x *index) add(r *reader) {
	for _, sel := range r.sub.Selectors() {
		if sel.Exact() {
			if x.exact[sel.String()] == nil {
				x.exact[sel.String()] = set{}
			}
			x.exact[sel.String()][r] = struct{}{}
			continue
		}
		x.tree.add(sel.Tokens(), r)
	}
}

func (x *index) remove(r *reader) {
	for _, sel := range r.sub.Selectors() {
		if sel.Exact() {
			delete(x.exact[sel.String()], r)
			if len(x.exact[sel.String()]) == 0 {
				delete(x.exact, sel.String())
			}
			continue
		}
		x.tree.remove(sel.Tokens(), r)
	}
}

// each calls f for each reader of a topic, more than once for one that chooses it more than once.
func (x *index) each(topic string, f func(*reader)) {
	x.sets(topic, func(chosen set) {
		for r := range chosen {
			f(r)
		}
	})
}

// sets calls f for the readers of each selector that chooses a topic.
func (x *index) sets(topic string, f func(set)) {
	f(x.exact[topic])
	x.tree.sets(topic, f)
}

func (n *node) add(tokens []string, r *reader) {
	switch {
	case len(tokens) == 0:
		n.here = n.here.with(r)
	case tokens[0] == event.ManyTokens:
		n.rest = n.rest.with(r)
	default:
		if n.next == nil {
			n.next = map[string]*node{}
		}
		if n.next[tokens[0]] == nil {
			n.next[tokens[0]] = &node{}
		}
		n.next[tokens[0]].add(tokens[1:], r)
	}
}

func (n *node) remove(tokens []string, r *reader) {
	switch {
	case len(tokens) == 0:
		delete(n.here, r)
	case tokens[0] == event.ManyTokens:
		delete(n.rest, r)
	case n.next[tokens[0]] != nil:
		child := n.next[tokens[0]]
		child.remove(tokens[1:], r)
		if len(child.next)+len(child.here)+len(child.rest) == 0 {
			delete(n.next, tokens[0])
		}
	}
}

func (n *node) sets(topic string, f func(set)) {
	f(n.rest)
	token, rest, more := strings.Cut(topic, ".")
	for _, key := range [...]string{token, event.OneToken} {
		child := n.next[key]
		if child == nil {
			continue
		}
		if more {
			child.sets(rest, f)
			continue
		}
		f(child.here)
	}
}

func (s set) with(r *reader) set {
	if s == nil {
		s = set{}
	}
	s[r] = struct{}{}
	return s
}
