package hub

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// FuzzQuery holds that what is taken of a subscriber's parameters, from a form or from JSON, is within its bounds, and that a problem says what to do.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"topic=a&topic=b.*", "topic=%3E&replay=1&heartbeat=30s&heartbeat_mode=event", "topic=a&since=15m&flush=2s&format=cloudevents&conflate=latest",
		"topic=a&since=2026-01-31T10:00:00Z&on_gap=fail&control=off&padding=true", "topic=a&last_event_id=earliest", "topic=a..b", "%", "topic=a&replay=-1",
		`{"topic":["a","b.*"],"replay":1,"heartbeat":30,"padding":true,"since":null,"last_event_id":"earliest","other":{"a":[]}}`, `{"topic":[["a"]]}`,
	} {
		f.Add(seed, "abcdefgh-1")
	}
	f.Fuzz(func(t *testing.T, query, cursor string) {
		p := &parameters{}
		if decodeJSON([]byte(query), p) != nil {
			p = &parameters{}
			p.addURL(query, "")
		}
		got, bad := p.query(http.Header{"Last-Event-Id": {cursor}})
		if bad != nil {
			if bad.Status != 400 || bad.Detail == "" || bad.Code == "" || !utf8.ValidString(bad.Detail) || len(bad.Detail) > 1024 {
				t.Fatalf("%+v", bad)
			}
			return
		}
		if n := len(got.selectors); n == 0 || n > maxSelectors {
			t.Fatalf("%d selectors", n)
		}
		h := got.asked.Heartbeat
		if len(got.start.Cursor) > maxCursorBytes || got.asked.Flush < 0 || got.asked.Flush > maxFlush || h < 0 || h > maxHeartbeat || got.start.Replay < 0 {
			t.Fatalf("%+v", got)
		}
	})
}

// FuzzPublish holds that a publisher gets one of the contract's answers, that an event is stored if and only if the answer says so, and
// that what readers get is a frame that holds just that event.
func FuzzPublish(f *testing.F) {
	const lines, document = "application/x-ndjson", "application/json"
	f.Add("/v1/topics/a", "type=t&id=1&ttl=5s&key=k", "", []byte("a\r\nid: 7\n\ndata: x"))
	f.Add("/v1/topics/a", "encoding=base64", "", []byte("/wA="))
	f.Add("/v1/topics/a/complete", "", "", []byte(""))
	f.Add("/v1/publish", "", document, []byte(`{"topics":["a","b"],"type":"t","id":"1","ttl":"5","key":"k","data":{"x":[1,"\u0000"]}}`))
	f.Add("/v1/publish", "", document, []byte(`{"topic":"a","dataBase64":"w6k="}`))
	f.Add("/v1/publish", "", lines, []byte("{\"topic\":\"a\",\"data\":1}\n{\"topic\":\"c\"}\nx\n"))
	f.Add("/v1/cloudevents/a", "", "application/cloudevents+json", []byte(`{"specversion":"1.0","id":"1","source":"/","type":"t","data":"x"}`))
	f.Add("/", "", "application/cloudevents-batch+json", []byte(`[{"specversion":"1.0","id":"1","source":"/","type":"a","data":"x"}]`))
	h := quietHub(f)
	f.Fuzz(func(t *testing.T, path, query, contentType string, body []byte) {
		r := httptest.NewRequest("POST", "/", nil)
		r.URL = &url.URL{Path: path, RawQuery: query}
		r.Header.Set("Content-Type", contentType)
		r.Body = io.NopCloser(bytes.NewReader(body))
		// Each input meets a hub without a history.
		h.log = eventlog.NewMemory([]eventlog.Rule{{Selector: selector(t, "a"), Events: 2000, Age: time.Hour}, {Selector: selector(t, "b"), Events: 2000, Age: time.Hour}}, 64<<20, 0)
		w := httptest.NewRecorder()
		h.publishRoutes().ServeHTTP(w, r)
		stored, _, _ := h.log.Since(0, 2000, nil)
		if !slices.Contains([]int{200, 202, 400, 404, 405, 409, 413, 415, 422}, w.Code) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w.Code >= 300 && w.Code != 422 && w.Code != 409 && len(stored) > 0 { // those two may stop a batch of CloudEvents
			t.Fatalf("%d %s, and %d events are stored", w.Code, w.Body, len(stored))
		}
		for _, e := range stored {
			checkFrame(t, e)
		}
	})
}

// checkFrame holds that a frame is exactly one event.
func checkFrame(t *testing.T, e *eventlog.Entry) {
	t.Helper()
	again := event.NewDraft(&event.Event{Topic: e.Topic, Type: e.Frame.Type(), Data: e.Frame.Data()}, "abcdefgh", e.Seq)
	frame := again.Stamp(e.Seq)
	got, want := e.Frame.Text(), frame.Text()
	if len(got) != len(want) || !utf8.Valid(got) {
		t.Fatalf("%q holds more than the event %q", got, want)
	}
}

func quietHub(f *testing.F) *Hub {
	f.Helper()
	h, err := New(Options{
		Config: &config.Config{
			Version: config.Version, Stream: config.Stream{Namespace: "n", Name: "s"},
			Topics:    []config.Topic{{Name: "a", Events: 10, Age: config.Duration(time.Hour)}},
			Retention: config.Retention{Bytes: 64 << 20}, Heartbeat: config.Heartbeat{Interval: config.Duration(time.Minute), Minimum: config.Duration(time.Second)},
			Reconnect: config.Reconnect{Delay: config.Duration(time.Second), MaxConnectionAge: config.Duration(time.Hour)},
			Limits:    config.Limits{MaxEventSize: 4 << 10},
			Auth:      config.Auth{Subscribers: config.Subscribers{Anonymous: &config.Anonymous{}}, Publishers: config.Publishers{Anonymous: &config.Anonymous{}}},
		},
		SubscribeAddr: "127.0.0.1:0", PublishAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
	})
	if err != nil {
		f.Fatal(err)
	}
	return h
}

func selector(t testing.TB, text string) event.Selector {
	t.Helper()
	s, err := event.ParseSelector(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
