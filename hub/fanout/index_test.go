package fanout

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

func TestIndexAgreesWithSelectors(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	token := func(wild bool) string {
		if wild {
			return []string{"a", "b", "*"}[r.IntN(3)]
		}
		return []string{"a", "b", "c"}[r.IntN(3)]
	}
	topic := func(wild bool) string {
		parts := make([]string, 1+r.IntN(4))
		for i := range parts {
			parts[i] = token(wild)
		}
		if wild && r.IntN(3) == 0 {
			parts[len(parts)-1] = ">"
		}
		return strings.Join(parts, ".")
	}
	log := eventlog.NewMemory([]eventlog.Rule{{Selector: sels(t, ">")[0], Events: 1, Age: time.Hour}}, 1<<20, 0)
	x := newIndex()
	var all []*reader
	for range 200 {
		sub, _, err := log.Subscribe(sels(t, topic(true), topic(true)), eventlog.Start{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &reader{sub: sub})
		x.add(all[len(all)-1])
	}
	for range 500 {
		name := topic(false)
		got := set{}
		x.each(name, func(r *reader) { got[r] = struct{}{} })
		for _, r := range all {
			want := slices.ContainsFunc(r.sub.Selectors(), func(s event.Selector) bool { return s.Match(name) })
			if _, ok := got[r]; ok != want {
				t.Fatalf("%v is found for %s: %v", r.sub.Selectors(), name, ok)
			}
		}
	}
	for _, r := range all {
		x.remove(r)
	}
	if len(x.exact)+len(x.tree.next)+len(x.tree.here)+len(x.tree.rest) != 0 {
		t.Error("the index keeps nodes without readers")
	}
}
