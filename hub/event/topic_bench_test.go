package event_test

import (
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

func BenchmarkMatch(b *testing.B) {
	for _, c := range [][2]string{
		{"orders.eu.berlin", "orders.eu.berlin"}, {"orders.*.berlin", "orders.eu.berlin"}, {"orders.>", "orders.eu.berlin"}, {"*.*.*", "orders.eu.berlin"}, {"prices.*", "orders.eu.berlin"},
	} {
		b.Run(c[0], func(b *testing.B) {
			s := selector(b, c[0])
			b.ReportAllocs()
			for b.Loop() {
				s.Match(c[1])
			}
		})
	}
}

func BenchmarkParseSelector(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.ParseSelector("orders.*.berlin"); err != nil {
			b.Fatal(err)
		}
	}
}
