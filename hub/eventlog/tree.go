package eventlog

import (
	"strings"

	"github.com/runnel-dev/runnel/hub/event"
)

// fewBranches is how many branches of a node are found by looking at each: a map costs more memory than that.
const fewBranches = 8

// tree finds the topics that a pattern chooses by their tokens: the cost grows with those that begin as the pattern does, and with no
// others.
type tree struct {
	topic  *topic // that ends here
	few    []branch
	many   map[string]*tree // in place of few
	size   int              // topics that end here or below
	parent *tree            // nil is none
	crowd  *crowd           // nil while there are few topics
}

type branch struct {
	token string
	tree  *tree
}

func (n *tree) child(token string) *tree {
	for _, b := range n.few {
		if b.token == token {
			return b.tree
		}
	}
	return n.many[token]
}

func (n *tree) grow(token string) *tree {
	next := &tree{parent: n}
	switch {
	case n.many != nil:
		n.many[token] = next
	case len(n.few) < fewBranches:
		n.few = append(n.few, branch{token, next})
	default:
		n.many = make(map[string]*tree, 2*fewBranches)
		for _, b := range n.few {
			n.many[b.token] = b.tree
		}
		n.many[token] = next
		n.few = nil
	}
	return next
}

// put adds a topic, at the node that some tokens of its name led to, and returns how many nodes it made.
func (n *tree) put(rest string, t *topic) (made int) {
	for more := true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		next := n.child(token)
		if next == nil {
			next = n.grow(token)
			made++
		}
		n.size++
		n = next
	}
	n.size++
	n.topic, t.node = t, n
	for ; n != nil; n = n.parent {
		n.gather()
	}
	return made
}

// take removes a topic, and returns how many nodes went with it.
func (n *tree) take(rest string) (gone int) {
	token, rest, more := strings.Cut(rest, ".")
	next := n.child(token)
	if n.size--; more {
		gone = next.take(rest)
	} else {
		next.topic = nil
		next.size--
	}
	if n.gather(); next.size == 0 {
		n.prune(token)
		gone++
	}
	return gone
}

func (n *tree) leaf() bool { return len(n.few)+len(n.many) == 0 }

func (n *tree) prune(token string) {
	for i, b := range n.few {
		if b.token == token {
			last := len(n.few) - 1
			n.few[i], n.few[last] = n.few[last], branch{}
			n.few = n.few[:last]
			return
		}
	}
	if delete(n.many, token); len(n.many) == 0 {
		n.many = nil // with the memory of those that it had
	}
}

// each calls f for each topic that a pattern's tokens choose, and stops when it would look at more nodes than steps allow. It says
// whether it got to the end.
func (n *tree) each(tokens []string, steps *int, f func(*topic)) bool {
	if *steps--; *steps < 0 {
		return false
	}
	if len(tokens) == 0 {
		if n.topic != nil {
			f(n.topic)
		}
		return true
	}
	rest := tokens[1:]
	switch tokens[0] {
	case event.ManyTokens:
		if n.size > *steps {
			return false
		}
		return n.eachBelow(func(next *tree) bool {
			return next.each(nil, steps, f) && (next.leaf() || next.each(tokens, steps, f))
		})
	case event.OneToken:
		if len(n.few)+len(n.many) > *steps {
			return false
		}
		return n.eachBelow(func(next *tree) bool { return next.each(rest, steps, f) })
	}
	next := n.child(tokens[0])
	return next == nil || next.each(rest, steps, f)
}

// eachBelow calls f for the nodes below until one says false.
func (n *tree) eachBelow(f func(*tree) bool) bool {
	for _, b := range n.few {
		if !f(b.tree) {
			return false
		}
	}
	for _, next := range n.many {
		if !f(next) {
			return false
		}
	}
	return true
}
