//go:build linux

package load_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/test/bench/load"
	"github.com/runnel-dev/runnel/test/bench/process"
	"github.com/runnel-dev/runnel/test/bench/reference"
)

// briefly is how long a test waits for what will not come. Nothing else is to come in that time.
const briefly = 300 * time.Millisecond

// run connects clients to a server of one address and sends it a course.
func run(t *testing.T, addr string, ro load.ReaderOptions, po load.PublisherOptions, events int) load.Result {
	t.Helper()
	ro.Addr, po.Addr = addr, addr
	readers, err := load.NewReaders(ro)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := readers.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := readers.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	publisher, err := load.NewPublisher(po)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := publisher.Close(); err != nil {
			t.Error(err)
		}
	}()
	out, err := load.Run(t.Context(), readers, publisher, load.Course{Start: time.Now(), Topics: max(ro.Topics, 1), Count: events})
	if err != nil {
		t.Fatal(err)
	}
	if readers.Ready() != ro.Readers {
		t.Errorf("%d of %d readers are ready", readers.Ready(), ro.Readers)
	}
	return out
}

func startReference(t *testing.T, batch bool) string {
	t.Helper()
	s, err := reference.Listen(reference.Options{Addr: "127.0.0.1:0", Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Addr()
}

// expectAsManyDescriptors looks at the test's end that none is left.
func expectAsManyDescriptors(t *testing.T) {
	t.Helper()
	httptest.NewServer(nil).Close() // the runtime's own poller has some, once it is needed
	before, err := process.Descriptors(os.Getpid(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if after, err := process.Descriptors(os.Getpid(), ""); err != nil || after != before {
			t.Errorf("%d descriptors, %d before: %v", after, before, err)
		}
	})
}

func TestNothingIsMissingFromTheReference(t *testing.T) {
	for name, c := range map[string]struct {
		readers   load.ReaderOptions
		publisher load.PublisherOptions
		batch     bool
		want      int
	}{
		"one at a time":                    {readers: load.ReaderOptions{Readers: 20}, want: 20 * 200},
		"many in flight":                   {readers: load.ReaderOptions{Readers: 20}, publisher: load.PublisherOptions{InFlight: 16}, want: 20 * 200},
		"in batches":                       {readers: load.ReaderOptions{Readers: 20}, publisher: load.PublisherOptions{InFlight: 16}, batch: true, want: 20 * 200},
		"by the clock":                     {readers: load.ReaderOptions{Readers: 20}, publisher: load.PublisherOptions{Rate: 2000}, want: 20 * 200},
		"many topics":                      {readers: load.ReaderOptions{Readers: 30, Topics: 30}, publisher: load.PublisherOptions{Topics: 30, InFlight: 4}, want: 200},
		"more topics":                      {readers: load.ReaderOptions{Readers: 30, Topics: 300}, publisher: load.PublisherOptions{Topics: 300}, want: 30},
		"the smallest":                     {readers: load.ReaderOptions{Readers: 20}, publisher: load.PublisherOptions{Size: load.MinSize}, want: 20 * 200},
		"large":                            {readers: load.ReaderOptions{Readers: 5}, publisher: load.PublisherOptions{Size: 300_000}, want: 5 * 200},
		"read bit by bit":                  {readers: load.ReaderOptions{Readers: 5, Slow: &load.Pace{Bytes: 997, Every: time.Millisecond}}, want: 5 * 200},
		"several addresses":                {readers: load.ReaderOptions{Readers: 20, PerAddress: 3}, want: 20 * 200},
		"with ids, which it does not know": {readers: load.ReaderOptions{Readers: 20}, publisher: load.PublisherOptions{IDs: true}, want: 20 * 200},
	} {
		t.Run(name, func(t *testing.T) {
			expectAsManyDescriptors(t)
			r := run(t, startReference(t, c.batch), c.readers, c.publisher, 200)
			if err := r.Faults(); err != nil || r.Got != c.want || r.Answered != 200 {
				t.Errorf("%d deliveries of %d events: %v", r.Got, r.Answered, err)
			}
			if c.publisher.InFlight <= 1 && c.publisher.Rate == 0 && r.Late > 0 {
				t.Errorf("%d deliveries came after later ones", r.Late)
			}
			if r.Latency.N() != r.Got || r.Latency.Max() <= 0 || r.Latency.Max() > r.Last || r.Reply.N() != 200 || r.Busy <= 0 || r.PublisherBusy <= 0 {
				t.Errorf("%d latencies up to %v, %d replies, busy for %v and %v", r.Latency.N(), r.Latency.Max(), r.Reply.N(), r.Busy, r.PublisherBusy)
			}
		})
	}
}

func TestSaysWhyPublishesAreRefused(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == "application/x-ndjson" {
			_, _ = fmt.Fprint(w, "{}\n{}\n{\"error\":{\"code\":\"no\"}}\n{}\n{}\n")
			return
		}
		http.Error(w, "not "+r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	defer refusing.Close()
	for lines, want := range map[int]string{0: "status 403: not you", 5: `"code":"no"`} {
		p, err := load.NewPublisher(load.PublisherOptions{Addr: refusing.Listener.Addr().String(), Lines: lines, Header: http.Header{"Authorization": {"you"}}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Publish(t.Context(), load.Course{Start: time.Now(), Topics: 1, Count: 10}, 0, 10)
		failed := map[int]int{0: 10, 5: 2}[lines]
		if err != nil || r.Failed != failed || r.Answered != 10-failed || !strings.Contains(fmt.Sprint(r.Faults()), want) {
			t.Errorf("%d lines: %d refused, %v, %v", lines, r.Failed, r.Faults(), err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSaysWhyItCannotGoOn(t *testing.T) {
	expectAsManyDescriptors(t)
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that a client is gone
		<-r.Context().Done()
	}))
	ending := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	refusing := httptest.NewServer(http.NotFoundHandler())
	for _, s := range []*httptest.Server{mute, ending, refusing} {
		defer s.Close()
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct{ addr, want string }{
		{ending.Listener.Addr().String(), "ended before it was answered"},
		{refusing.Listener.Addr().String(), "no stream: \"HTTP/1.1 404"},
		{gone.Listener.Addr().String(), "connection refused"},
		{"localhost:80", "127.0.0.1:8080"},
	} {
		r, err := load.NewReaders(load.ReaderOptions{Addr: c.addr, Readers: 1})
		if err == nil {
			err = r.Connect(t.Context())
			if closed := r.Close(); closed != nil {
				t.Error(closed)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("readers of %s: %v", c.addr, err)
		}
	}
	for _, c := range []struct {
		addr, want    string
		patience, end time.Duration
	}{
		{mute.Listener.Addr().String(), "no publish was answered", briefly, time.Hour},
		{mute.Listener.Addr().String(), "deadline", time.Hour, briefly},
		{ending.Listener.Addr().String(), "ended a publisher's connection", time.Hour, time.Hour},
		{gone.Listener.Addr().String(), "connection refused", time.Hour, time.Hour},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), c.end)
		p, err := load.NewPublisher(load.PublisherOptions{Addr: c.addr, Patience: c.patience})
		if err == nil {
			_, err = p.Publish(ctx, load.Course{Start: time.Now(), Topics: 1, Count: 3}, 0, 3)
			if closed := p.Close(); closed != nil {
				t.Error(closed)
			}
		}
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("publisher to %s: %v", c.addr, err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	const addr = "127.0.0.1:1"
	for want, o := range map[string]load.ReaderOptions{
		"write at least 1": {Addr: addr},
		"write how often":  {Addr: addr, Readers: 1, Slow: &load.Pace{Bytes: 1}},
	} {
		if _, err := load.NewReaders(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for want, o := range map[string]load.PublisherOptions{
		"write at least 27":  {Addr: addr, Size: 5},
		"write at most 1000": {Addr: addr, Lines: 1001},
		"write one of them":  {Addr: addr, Lines: 5, Rate: 5},
		"no IPv4 address":    {Addr: "[::1]:80"},
		"connection refused": {Addr: addr},
	} {
		if _, err := load.NewPublisher(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
