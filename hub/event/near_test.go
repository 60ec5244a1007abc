package event_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/event"
)

func all(event.Selector) bool { return true }

func TestNear(t *testing.T) {
	var known []event.Selector
	for _, s := range []string{"orders", "prices.*", "runs.>", "last", "orders.eu.refunds", "a", "ab"} {
		known = append(known, selector(t, s))
	}
	for wanted, want := range map[string]string{
		"order":                      "orders",
		"orderss":                    "orders",
		"odrers":                     "orders",
		"0rders":                     "orders",
		"Orders":                     "orders",
		"ORDERS":                     "orders",
		"oders":                      "orders",
		"ordrs":                      "orders",
		"oorderss":                   "orders",
		"rdesr":                      "", // three letters
		"lst":                        "last",
		"lasst":                      "last",
		"lxxt":                       "",
		"b":                          "", // anything is near a letter
		"A":                          "a",
		"price.eur":                  "prices.eur",
		"Prices.EUR":                 "prices.EUR",
		"price.*":                    "prices.*",
		"price.>":                    "prices.>",
		"prices.eur.x":               "",
		"run.1.step":                 "runs.1.step",
		"run.>":                      "runs.>",
		"runs":                       "",
		"orders-eu-refunds":          "orders.eu.refunds",
		"orders.eu.refund":           "orders.eu.refunds",
		"order.eu.*":                 "orders.eu.*",
		"order.>":                    "orders.>",
		"":                           "",
		strings.Repeat("orders", 20): "",
	} {
		if got := event.Near(wanted, slices.Values(known), all); got != want {
			t.Errorf("%s is near %q, want %q", wanted, got, want)
		}
	}
	var many []event.Selector
	for i := range 256 {
		many = append(many, selector(t, fmt.Sprintf("sensors-of-building-%03d", i)))
	}
	if got := event.Near("sensors-of-buildin-255", slices.Values(many), all); got != "sensors-of-building-255" {
		t.Errorf("the last of many topics is not found: %q", got)
	}
	if got := event.Near("order", slices.Values(known), func(s event.Selector) bool { return s.String() != "orders" }); got != "" {
		t.Errorf("%s is told, which may not be", got)
	}
}

// FuzzNear holds that what is near is not what was written, can be read, and is told to those only who may know it.
func FuzzNear(f *testing.F) {
	f.Add("orders", "order")
	f.Add("prices.*", "price.eur")
	f.Add("a.>", "b.>")
	f.Add("*.*.x", "*.y.xx")
	f.Fuzz(func(t *testing.T, known, wanted string) {
		k, err := event.ParseSelector(known)
		if err != nil {
			return
		}
		asked := ""
		near := event.Near(wanted, slices.Values([]event.Selector{k}), func(s event.Selector) bool {
			asked = s.String()
			return true
		})
		if near != asked || near != "" && near == wanted {
			t.Errorf("%q is near %q, asked for %q", wanted, near, asked)
		}
	})
}

func BenchmarkNear(b *testing.B) {
	var known []event.Selector
	for range 256 { // all of them are near but for the first letter and the last ones
		known = append(known, selector(b, strings.Repeat("x", 61)+"yyz"))
	}
	for b.Loop() {
		event.Near("a"+strings.Repeat("x", 59)+"abcd", slices.Values(known), all)
	}
}
