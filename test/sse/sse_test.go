package sse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/test/sse"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func streamOf(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, body) // the client's reading is what is tested
	}
}

func open(t *testing.T, url string, headers ...sse.Header) *sse.Stream {
	t.Helper()
	s, err := sse.Open(t.Context(), url, headers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestItParsesAsABrowserDoes(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string // type|id|data
	}{
		"type, id and data":             {"event: tick\nid: 1\ndata: x\n\n", []string{"tick|1|x"}},
		"no type is message":            {"data: x\n\n", []string{"message||x"}},
		"lines are joined":              {"data: a\ndata:\ndata:b\n\n", []string{"message||a\n\nb"}},
		"one blank is taken off":        {"data:  x\n\n", []string{"message|| x"}},
		"empty data is an event":        {"data\n\n", []string{"message||"}},
		"CR, LF and CRLF":               {"data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\r", []string{"message||a\nb\nc", "message||d"}},
		"a comment is nothing":          {":\n: x\n\ndata: x\n\n", []string{"message||x"}},
		"an id alone moves the cursor":  {"id: 7\n\ndata: x\n\n", []string{"|7|", "message|7|x"}},
		"an empty id clears it":         {"id: 7\ndata: a\n\nid\ndata: b\n\n", []string{"message|7|a", "message||b"}},
		"an id with NUL is ignored":     {"id: 7\x00\ndata: a\n\n", []string{"message||a"}},
		"a type without data is lost":   {"event: a\n\ndata: x\n\n", []string{"message||x"}},
		"a block cut off is dropped":    {"data: a\n\ndata: b\n", []string{"message||a"}},
		"a line cut off is dropped too": {"data: a\n\ndata: b", []string{"message||a"}},
		"a byte order mark":             {"\ufeffdata: a\n\n", []string{"message||a"}},
		"bytes that are not UTF-8":      {"data: \xff\n\n", []string{"message||\ufffd"}},
		"retry that is no number":       {"retry: 1s\ndata: a\n\n", []string{"message||a"}},
		"retry sets the time":           {"retry: 1500\ndata: a\n\n", []string{"message||a|1.5s"}},
		"fields of other names":         {"Data: a\nnone\ndata: x\n\n", []string{"message||x"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, serve(t, streamOf(c.body)))
			var got []string
			for {
				e, err := s.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				line := fmt.Sprintf("%s|%s|%s", e.Type, e.ID, e.Data)
				if e.Retry != nil {
					line += "|" + e.Retry.String()
				}
				got = append(got, line)
			}
			if !slices.Equal(got, c.want) {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestALineThatEndsInCRIsThereBeforeWhatFollows(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		streamOf("data: a\r\r")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "\ndata: b\n\n")
	})
	s := open(t, url)
	if e, err := s.Next(t.Context()); err != nil || e.Data != "a" {
		t.Fatal(e, err)
	}
	close(release)
	if e, err := s.Next(t.Context()); err != nil || e.Data != "b" {
		t.Fatal(e, err)
	}
}

func TestTheLastIDIsSentAndKept(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		streamOf("data: "+r.Header.Get("Last-Event-ID")+"\n\nid: b\ndata:\n\n")(w, r)
	})
	s := open(t, url, sse.LastEventID("a"))
	for _, want := range []sse.Event{{Type: "message", ID: "a", Data: "a"}, {Type: "message", ID: "b"}} {
		if s.LastEventID() != "a" {
			t.Fatalf("the last id is %q", s.LastEventID())
		}
		if e, err := s.Next(t.Context()); err != nil || e != want {
			t.Fatal(e, err)
		}
	}
	if s.LastEventID() != "b" {
		t.Fatalf("the last id is %q", s.LastEventID())
	}
}

func TestACutIsNoCleanEnd(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		streamOf("data: a\n\n")(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	s := open(t, url)
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(t.Context()); err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("a cut gave %v", err)
	}
}

func TestWhatIsNoStreamIsAnErrorWithItsStatus(t *testing.T) {
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want int
	}{
		"refused":    {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such topic", http.StatusNotFound) }, 404},
		"redirect":   {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, 302},
		"other type": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sse.Open(t.Context(), serve(t, c.h))
			var refused *sse.StatusError
			if !errors.As(err, &refused) || refused.Status != c.want {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestAWaitEndsBeforeItsConnection(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		streamOf(":\n")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "data: a\n\n")
	})
	s := open(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	close(release)
	if e, err := s.Next(t.Context()); err != nil || e.Data != "a" {
		t.Fatal(e, err)
	}
}
