package cloudevent_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/cloudevent"
)

// withAttribute reads a structured event in which one attribute has a value.
func withAttribute(t *testing.T, name, value string) error {
	t.Helper()
	attributes := map[string]string{"specversion": "1.0", "id": "1", "source": "/shop", "type": "made", name: value}
	text, err := json.Marshal(attributes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cloudevent.ReadBody(http.Header{"Content-Type": {cloudevent.TypeStructured}}, text)
	return err
}

func TestAttributesThatTheSpecificationAllows(t *testing.T) {
	for name, values := range map[string][]string{
		"source": {
			"https://github.com/cloudevents", "mailto:cncf-wg-serverless@lists.cncf.io", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "/cloudevents/spec/pull/123",
			"1-555-123-4567", "a", ".", "?a=b/c?d", "#f/?", "//host/x", "http://[2001:db8::1]:8080/a;b=c,d!$&'()*+@~_", "/a%20b%C3%A9", "http://u:p@host:1", "tag:x,2026:y", "s:", "/a:b//c",
		},
		"dataschema":      {"https://shop.example/order.json?v=1", "urn:x:y", "s:"},
		"time":            {"2018-04-05T17:31:00Z", "2018-04-05T17:31:00.123456789+02:00", "2018-04-05t17:31:00z", "2018-04-05T17:31:00-23:59"},
		"expirytime":      {"2018-04-05T17:31:00Z"},
		"datacontenttype": {"application/json", "text/plain; charset=utf-8", "application/vnd.x+json"},
		"subject":         {" ", "mynewfile.jpg", "é 😀 \ufffd"},
		"id":              {" ", "a b", "\u2028"},
		"mine":            {"", "a b%", strings.Repeat("x", 1000)},
	} {
		for _, value := range values {
			if err := withAttribute(t, name, value); err != nil {
				t.Errorf("%s %q: %v", name, value, err)
			}
		}
	}
}

func TestAttributesThatTheSpecificationForbids(t *testing.T) {
	for name, values := range map[string][]string{
		"source": {
			"", "/a b", " /a", "/a\"b", "/<a>", "/{a}", "/a|b", "/a\\b", "/a^b", "/a`b", "/é", "/a%", "/a%2", "/a%zz", "/[a]", "?[a]", "a#b#c", "1a:b", ":a", "http://a b/", "http://[::1", "http://a:b/", "é:x",
		},
		"dataschema":      {"", "/order.json", "order.json", "https://shop.example/a b", "https://shop.example/order.json#item", "//shop.example/order.json"},
		"time":            {"", "today", "2018-04-05", "2018-04-05 17:31:00Z", "2018-04-05T17:31:00", "2018-04-05T7:31:00Z", "2018-04-05T17:31:00,5Z", "2018-04-05T17:31:00+25:00", "2018-02-30T17:31:00Z"},
		"expirytime":      {"soon"},
		"datacontenttype": {"", "json", "text/", "/plain", "a b/c", "text/plain; charset"},
		"subject":         {""},
		"id":              {"", "a\nb", "a\x7fb", "a\u0085b", "\ufdd0", "\ufffe", "\U0001ffff", "\U0010fffe"},
		"type":            {"", "\uffff"},
		"mine":            {"a\tb", "\ufdef"},
		"my-own":          {"x"}, "Mine": {"x"}, "data_x": {"x"}, "": {"x"}, "é": {"x"},
	} {
		for _, value := range values {
			if err := withAttribute(t, name, value); err == nil || !strings.Contains(err.Error(), "attribute "+name) && !strings.Contains(err.Error(), "lower-case") {
				t.Errorf("%s %q: %v", name, value, err)
			}
		}
	}
}

func TestRequiredAttributesMustBeThere(t *testing.T) {
	for _, text := range []string{`{}`, `{"specversion":"1.0","id":"1","source":"/"}`, `{"specversion":"1.0","id":"1","source":"/","type":null}`, `{"specversion":"1.1","id":"1","source":"/","type":"t"}`} {
		if events, err := cloudevent.ReadBody(http.Header{"Content-Type": {cloudevent.TypeStructured}}, []byte(text)); err == nil {
			t.Errorf("%s: %+v", text, events)
		}
	}
}
