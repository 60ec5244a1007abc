package reference

import (
	"strings"
	"testing"
)

func TestRequestsAreReadAcrossEveryBoundary(t *testing.T) {
	for text, want := range map[string]request{
		"GET /v1/topics/t.1/events HTTP/1.1\r\nHost: x\r\n\r\n":                               {topic: []byte("t.1")},
		"GET /other?topic=5 HTTP/1.1\r\nHost: x\r\n\r\n":                                      {topic: []byte("/other?topic=5")},
		"POST /v1/topics/t.22 HTTP/1.1\r\nAuthorization: y\r\ncontent-length: 5\r\n\r\nhello": {publish: true, topic: []byte("t.22"), body: []byte("hello")},
		"POST /v1/topics/a HTTP/1.1\r\nX-Content-Length: 9\r\nContent-Length:2\r\n\r\nhi":     {publish: true, topic: []byte("a"), body: []byte("hi")},
		"POST /v1/topics/a HTTP/1.1\r\nHost: x\r\n\r\n":                                       {publish: true, topic: []byte("a")},
	} {
		for i := range text {
			if _, rest, whole := readRequest([]byte(text[:i])); whole || len(rest) != i {
				t.Errorf("%q is whole", text[:i])
			}
		}
		const next = "GET"
		r, rest, whole := readRequest([]byte(text + next))
		if !whole || string(rest) != next || r.publish != want.publish || string(r.topic) != string(want.topic) || string(r.body) != string(want.body) {
			t.Errorf("%q: %+v, %q, %v", text, r, rest, whole)
		}
	}
}

func TestAnEventIsOneChunk(t *testing.T) {
	body := strings.Repeat("x", 300)
	if got, want := string(appendChunk(nil, []byte(body))), "134\r\ndata: "+body+"\n\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
