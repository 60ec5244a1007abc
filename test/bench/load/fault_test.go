//go:build linux

package load_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/runnel-dev/runnel/test/bench/load"
)

// faulty is a server that does what its fault says in place of sending an event as it came.
type faulty struct {
	*httptest.Server
	// fault returns what reader number i, in the order in which they came, is sent for the nth event; endOfConnection ends it.
	fault func(reader, n int, data string) []string

	mu      sync.Mutex // guards what follows
	readers []chan string
	events  int
}

func startFaulty(t *testing.T, fault func(reader, n int, data string) []string) *faulty {
	f := &faulty{fault: fault}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *faulty) addr() string { return strings.TrimPrefix(f.URL, "http://") }

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		f.publish(w, r)
		return
	}
	texts := make(chan string, 100)
	f.mu.Lock()
	f.readers = append(f.readers, texts)
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	f.mu.Unlock()
	for {
		select {
		case text, open := <-texts:
			if !open {
				return
			}
			_, _ = fmt.Fprintf(w, "data: %s\n\n", text)
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (f *faulty) publish(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, texts := range f.readers {
		if texts == nil {
			continue
		}
		for _, text := range f.fault(i, f.events, string(data)) {
			if text == endOfConnection {
				close(texts)
				f.readers[i] = nil
				break
			}
			texts <- text
		}
	}
	f.events++
}

const (
	readers = 5
	events  = 20
	strange = 3 // the reader whose events are not as they came

	// endOfConnection ends the connection in place of an event. Nobody waits for what an ended connection did not bring.
	endOfConnection = "end"
)

// play sends events to readers of which one meets a fault.
func play(t *testing.T, fault func(n int, data string) []string) load.Received {
	t.Helper()
	f := startFaulty(t, func(reader, n int, data string) []string {
		if reader != strange {
			return []string{data}
		}
		return fault(n, data)
	})
	return run(t, f.addr(), load.ReaderOptions{Readers: readers, Opening: 1}, load.PublisherOptions{}, events).Received
}

func TestSaysWhatAServerDoesWrong(t *testing.T) {
	var kept string
	for name, c := range map[string]struct {
		fault func(n int, data string) []string
		ok    func(load.Received) bool
		says  string
	}{
		"drops one": {
			func(n int, data string) []string {
				switch n {
				case 7:
					return nil
				case events - 1:
					return []string{data, endOfConnection}
				}
				return []string{data}
			},
			func(r load.Received) bool { return r.Missing() == 1 && r.Disordered == 0 },
			"1 of 100 deliveries are missing",
		},
		"doubles one": {
			func(n int, data string) []string {
				if n == 7 {
					return []string{data, data}
				}
				return []string{data}
			},
			func(r load.Received) bool { return r.Doubled == 1 && r.Missing() == 0 },
			"1 deliveries came twice",
		},
		"swaps two": {
			func(n int, data string) []string {
				switch n {
				case 7:
					kept = data
					return nil
				case 8:
					return []string{data, kept}
				}
				return []string{data}
			},
			func(r load.Received) bool { return r.Disordered == 1 && r.Late == 1 && r.Missing() == 0 },
			"1 readers got their topic's events in another order",
		},
		"makes one up": {
			func(n int, data string) []string {
				if n == 7 {
					return []string{data, "#0000000000000000-ffffff00#"}
				}
				return []string{data}
			},
			func(r load.Received) bool { return r.Stale == 1 && r.Missing() == 0 && r.Faults() == nil },
			"",
		},
		"ends a connection": {
			func(n int, data string) []string {
				if n == 7 {
					return []string{endOfConnection}
				}
				return []string{data}
			},
			func(r load.Received) bool { return r.Ended == 1 && r.Missing() == events-7 },
			"1 connections were ended",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := play(t, c.fault)
			if !c.ok(r) || c.says != "" && !strings.Contains(fmt.Sprint(r.Faults()), c.says) {
				t.Errorf("%v: missing %d, doubled %d, stray %d, stale %d, late %d, disordered %d, ended %d",
					r.Faults(), r.Missing(), r.Doubled, r.Stray, r.Stale, r.Late, r.Disordered, r.Ended)
			}
		})
	}
}

// Topics of the readers are 0 and 1 in turn, and all of them get everything.
func TestSaysThatEventsAreOfAnotherTopic(t *testing.T) {
	f := startFaulty(t, func(_, _ int, data string) []string { return []string{data} })
	r := run(t, f.addr(), load.ReaderOptions{Readers: 4, Topics: 2, Opening: 1}, load.PublisherOptions{Topics: 2}, events)
	const last = 2 // of the last event, which nobody waits for
	if r.Stray < 4*events/2-last || r.Got != 4*events/2 || r.Missing() != 0 || !strings.Contains(fmt.Sprint(r.Faults()), "another topic") {
		t.Errorf("%v: %d stray, %d got", r.Faults(), r.Stray, r.Got)
	}
}
