package eventlog

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestACrowdKnowsWhatItsTopicsLost holds what nodes with many topics note against the losses of each topic, while there come to be more
// and fewer of them.
func TestACrowdKnowsWhatItsTopicsLost(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	m := NewMemory(rules(1, ">"), 1<<20, 0)
	all := slices.Concat(names("a.", 2*nearby), names("a.b.", 2*nearby), names("c.of.", 2*nearby))
	crowds := map[bool]int{}
	for range 200 {
		m.Configure(rules(1, ">"), int64(100<<10+r.IntN(3<<20)))
		few := all[:1+r.IntN(len(all))]
		for range 200 {
			publish(t, m, few[r.IntN(len(few))])
		}
		var check func(n *tree)
		check = func(n *tree) {
			crowds[n.crowd != nil]++
			if n.size > nearby && n.crowd == nil || n.size < nearby/2 && n.crowd != nil {
				t.Fatalf("%d topics, noted: %t", n.size, n.crowd != nil)
			}
			if n.crowd != nil {
				for tokens, lost := range map[string]losses{">": n.crowd.below, "*": n.crowd.next} {
					n.topics([]string{tokens}, func(at *topic) {
						known := lost
						known.include(m.floor(at.name)) // each topic begins with that, and it is asked for by itself
						all := known
						if all.include(at.lost); all != known {
							t.Fatalf("%s lost %+v, of which is known %+v", at.name, at.lost, known)
						}
					})
				}
			}
			n.eachBelow(func(next *tree) bool {
				check(next)
				return true
			})
		}
		check(&m.topics.tree)
	}
	if crowds[true] < 100 || crowds[false] < 100 {
		t.Errorf("%v", crowds)
	}
}
