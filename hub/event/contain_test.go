package event_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

func TestContains(t *testing.T) {
	for _, c := range []struct {
		wide, narrow string
		want         bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a.b", false},
		{"a.b", "a", false},
		{"a.*", "a.b", true},
		{"a.*", "a.*", true},
		{"a.*", "a.>", false}, // overlaps, and that is not enough
		{"a.b", "a.*", false},
		{"a.*", "a", false},
		{"a.*", "a.b.c", false},
		{"a.>", "a.>", true},
		{"a.>", "a.*", true},
		{"a.>", "a.*.>", true},
		{"a.>", "a", false},
		{"a.>", "*.b", false},
		{"a.*.>", "a.>", false},
		{">", "a", true},
		{">", ">", true},
		{"*.>", ">", false},
		{"*", ">", false},
		{"*.b", "a.b", true},
		{"*.b", "a.*", false},
		{"a.~2A", "a.*", false},
	} {
		if got := selector(t, c.wide).Contains(selector(t, c.narrow)); got != c.want {
			t.Errorf("%s contains %s: %v", c.wide, c.narrow, got)
		}
	}
}

// maxSpelled is the number of tokens of the longest selector that spell makes.
const maxSpelled = 4

// spell makes a selector of a, b, * and > out of a number: its lowest two bits say how many tokens, each two after them which.
func spell(t testing.TB, code uint16) event.Selector {
	var tokens []string
	for i := range 1 + code%maxSpelled {
		tokens = append(tokens, []string{"a", "b", event.OneToken, event.ManyTokens}[code>>(2+2*i)&3])
		if tokens[i] == event.ManyTokens {
			break
		}
	}
	return selector(t, strings.Join(tokens, "."))
}

// topics are all of a, b and c up to one token more than a selector of spell has, so that two of them which differ differ in one.
func topics() (out []string) {
	last := []string{"a", "b", "c"}
	for range maxSpelled + 1 {
		out = append(out, last...)
		var next []string
		for _, head := range last {
			next = append(next, head+".a", head+".b", head+".c")
		}
		last = next
	}
	return out
}

// FuzzContains compares with what matching every topic finds.
func FuzzContains(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 { // what a plain go test compares
		f.Add(uint16(random.Uint32()), uint16(random.Uint32()))
	}
	all := topics()
	f.Fuzz(func(t *testing.T, one, other uint16) {
		wide, narrow := spell(t, one), spell(t, other)
		want := true
		for _, topic := range all {
			want = want && (!narrow.Match(topic) || wide.Match(topic))
		}
		if got := wide.Contains(narrow); got != want {
			t.Errorf("%s contains %s: %v, want %v", wide, narrow, got, want)
		}
	})
}
