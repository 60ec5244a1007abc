package config_test

import (
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]config.Origin{
		"https://shop.example":                {Scheme: "https", Host: "shop.example"},
		"https://shop.example:443":            {Scheme: "https", Host: "shop.example"},
		"HTTP://Shop.Example:80":              {Scheme: "http", Host: "shop.example"},
		"http://shop.example:443":             {Scheme: "http", Host: "shop.example", Port: "443"},
		"http://localhost:3000":               {Scheme: "http", Host: "localhost", Port: "3000"},
		"http://[::1]:3000":                   {Scheme: "http", Host: "[::1]", Port: "3000"},
		"http://[::1]":                        {Scheme: "http", Host: "[::1]"},
		"capacitor://localhost":               {Scheme: "capacitor", Host: "localhost"},
		"moz-extension://0a1b-2c":             {Scheme: "moz-extension", Host: "0a1b-2c"},
		"https://my_host":                     {Scheme: "https", Host: "my_host"},
		"":                                    {},
		"null":                                {},
		"*":                                   {},
		"shop.example":                        {},
		"https://":                            {},
		"https://*.shop.example":              {},
		"https://.shop.example":               {},
		"https://shop..example":               {},
		"https://shop.example/":               {},
		"https://shop.example?x":              {},
		"https://a@shop.example":              {},
		"https://evil.example#.shop":          {},
		"https://shop.example:":               {},
		"https://shop.example:0443":           {},
		"https://shop.example:0":              {},
		"https://shop.example:65536":          {},
		"https://shop.example:+1":             {},
		"http://[::1":                         {},
		"http://[fe80::1%25eth0]":             {},
		"http://[1.2.3.4]":                    {},
		"http://::1":                          {},
		"1app://localhost":                    {},
		"https://\u212a.example":              {},
		"https://" + strings.Repeat("a", 256): {},
	} {
		if got, ok := config.ParseOrigin(text); ok != (want != config.Origin{}) || ok && got != want {
			t.Errorf("%q: %+v, %t", text, got, ok)
		}
	}
}

func TestAllowedOrigins(t *testing.T) {
	for rule, origins := range map[string]map[string]bool{
		"https://shop.example": {"https://shop.example": true, "https://shop.example:443": true, "http://shop.example": false, "https://a.shop.example": false},
		"https://*.shop.example": {
			"https://a.shop.example": true, "https://a.b.shop.example": true, "https://a.shop.example:443": true, "https://A.Shop.Example": true,
			"https://shop.example": false, "https://evilshop.example": false, "https://.shop.example": false, "https://a..shop.example": false,
			"http://a.shop.example": false, "https://a.shop.example:8443": false, "https://a.shop.example.evil": false, "https://evil/.shop.example": false,
			"https://*.shop.example:443": false, "null": false, "": false,
		},
		"http://*.localhost:3000": {"http://a.localhost:3000": true, "http://a.localhost": false},
		"capacitor://localhost":   {"capacitor://localhost": true, "ionic://localhost": false, "http://localhost": false},
		"*":                       {"https://shop.example": false, "*": false}, // which AllowsEvery reports
	} {
		for origin, want := range origins {
			if got := (config.CORS{AllowedOrigins: []string{"https://first.example", rule}}).Allows(origin); got != want {
				t.Errorf("%s, %q: %t", rule, origin, got)
			}
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"https://shop.example", "https://shop.example:443"}: true,
		{"https://shop.example", "HTTPS://SHOP.EXAMPLE"}:     true,
		{"https://shop.example", "http://shop.example"}:      false,
		{"null", "null"}:                 true,
		{"null", "https://shop.example"}: false,
	} {
		if got := config.SameOrigin(pair[0], pair[1]); got != want {
			t.Errorf("%q: %t", pair, got)
		}
	}
}

func TestOriginsThatNoBrowserSendsAreRefused(t *testing.T) {
	for origin, want := range map[string]string{
		"https://shop.example": "", "https://shop.example:443": "", "https://*.shop.example:8443": "", "http://[::1]:3000": "", "capacitor://localhost": "", "*": "",
		"https://shop.example/":    `cors.allowedOrigins[0]: "https://shop.example/" is no origin: write scheme, host, and port`,
		"shop.example":             "is no origin",
		"null":                     "is no origin",
		"https://*":                "is no origin",
		"https://a.*.shop.example": "is no origin",
		"https://*shop.example":    "is no origin",
		"capacitor://*.localhost":  "is no origin",
		"https://*.[::1]":          "is no origin",
		"https://*.*.shop.example": "is no origin",
	} {
		c := valid()
		c.CORS.AllowedOrigins = []string{origin}
		if err := c.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", origin, err)
		}
	}
}
