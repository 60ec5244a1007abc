package eventlog

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestTreeAgreesWithSelectors holds what the tree finds for a pattern against matching each topic, while topics come and go.
func TestTreeAgreesWithSelectors(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	draw := func(tokens []string) string {
		parts := make([]string, 1+r.IntN(4))
		for i := range parts {
			parts[i] = tokens[r.IntN(len(tokens))]
		}
		return strings.Join(parts, ".")
	}
	few, many := []string{"a", "b", "c"}, names("t", 3*fewBranches)
	var n tree
	there := map[string]*topic{}
	for range 20_000 {
		name := draw([][]string{few, many}[r.IntN(2)])
		if there[name] != nil {
			n.take(name)
			delete(there, name)
		} else {
			there[name] = &topic{name: name}
			n.put(name, there[name])
		}
		pattern := draw(append(slices.Clone(few), "*", "t1"))
		if r.IntN(3) == 0 {
			pattern += ".>"
		}
		if r.IntN(10) > 0 {
			continue
		}
		var got, want []string
		steps := math.MaxInt
		if !n.each(sel(pattern).Tokens(), &steps, func(t *topic) { got = append(got, t.name) }) {
			t.Fatalf("%s has no end", pattern)
		}
		for name := range there {
			if sel(pattern).Match(name) {
				want = append(want, name)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || n.size != len(there) {
			t.Fatalf("%s: %v, want %v; %d of %d topics", pattern, got, want, n.size, len(there))
		}
		for _, most := range []int{0, r.IntN(20)} {
			left, found := most, 0
			ended := n.each(sel(pattern).Tokens(), &left, func(*topic) { found++ })
			if all := math.MaxInt - steps; ended && (found < len(want) || all > most) || !ended && all < most || found > most {
				t.Fatalf("%s: %d topics in %d steps of %d, ended %t", pattern, found, most, all, ended)
			}
		}
	}
	for name := range there {
		n.take(name)
	}
	if n.size != 0 || !n.leaf() {
		t.Errorf("%+v is left", n)
	}
}
