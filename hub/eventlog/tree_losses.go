package eventlog

import (
	"math"

	"github.com/runnel-dev/runnel/hub/event"
)

// crowd is what the topics below a node lost, where they are more than nearby: too many to look at each.
type crowd struct{ next, below losses } // of topics that end at the next node, and of all

// lose notes what the topic of a node lost.
func (n *tree) lose(lost losses) {
	parent := n.parent
	for n = parent; n != nil; n = n.parent {
		n.crowd.include(lost, n == parent)
	}
}

func (c *crowd) include(lost losses, next bool) {
	if c == nil {
		return
	}
	c.below.include(lost)
	if next {
		c.next.include(lost)
	}
}

// gather begins to note losses at a node whose topics have become many, and ends that long after they are few again: they are looked at
// once each time.
func (n *tree) gather() {
	switch {
	case n.crowd == nil && n.size > nearby:
		c := &crowd{}
		n.topics([]string{event.ManyTokens}, func(t *topic) { c.include(t.lost, t.node.parent == n) })
		n.crowd = c
	case n.size < nearby/2:
		n.crowd = nil
	}
}

// topics calls f for each topic that a pattern's tokens choose.
func (n *tree) topics(tokens []string, f func(*topic)) {
	steps := math.MaxInt
	n.each(tokens, &steps, f)
}

// lost says whether a topic that the tokens of a pattern, which is no topic, choose may have lost something that is untold. It looks at no more than nearby topics,
// and cannot tell where a token other than the last one stands for any of more.
func (n *tree) lost(tokens []string, untold func(losses, *topic) bool) (may, ok bool) {
	for n != nil && n.crowd != nil && tokens[0] != event.OneToken && tokens[0] != event.ManyTokens {
		n, tokens = n.child(tokens[0]), tokens[1:]
	}
	switch {
	case n == nil:
		return false, true
	case n.crowd == nil:
		n.topics(tokens, func(t *topic) { may = may || untold(t.lost, t) })
		return may, true
	case !untold(n.crowd.below, nil):
		return false, true
	case len(tokens) > 1:
		return false, false
	case tokens[0] == event.OneToken:
		return untold(n.crowd.next, nil), true
	}
	return true, true
}
