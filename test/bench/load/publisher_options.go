package load

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// rateConnections is how many connections a publisher with a rate has by default: an answer that is late delays none of the next.
	rateConnections = 8
	// maxLines is how many lines a hub takes at once.
	maxLines = 1000
)

// PublisherOptions say how events are sent.
type PublisherOptions struct {
	// Addr is the server's IPv4 address and port.
	Addr string
	// Topics is how many topics there are. It is that of the courses. 0 is 1.
	Topics int
	// Path that a topic's events are posted to; nil is that of a hub for TopicName. Batches go to /v1/publish.
	Path func(topic int) string
	// Header is sent besides Host and Content-Length, such as Authorization.
	Header http.Header
	// Size of an event's payload in bytes, at least MinSize. 0 is 200.
	Size int
	// InFlight is how many requests are outstanding at a time, each on a keep-alive connection of its own. 0 is 1, or 8 with a Rate.
	InFlight int
	// Rate is how many events a second are sent, by the clock and not when an answer comes, as far as InFlight allows. 0 is as many as
	// are answered.
	Rate float64
	// Lines is how many events a request has, as lines of JSON, up to 1,000. 0 is one event alone, raw.
	Lines int
	// IDs sends each event with an id of its own, by which the server knows it again: its sequence number.
	IDs bool
	// Patience is how long no answer may come before the publisher gives up. 0 is two minutes.
	Patience time.Duration
}

func (o PublisherOptions) withDefaults() (PublisherOptions, error) {
	o.Topics = or(o.Topics, 1)
	o.Size = or(o.Size, 200)
	if o.Rate > 0 {
		o.InFlight = or(o.InFlight, rateConnections)
	}
	o.InFlight = or(o.InFlight, 1)
	o.Patience = or(o.Patience, defaultPatience)
	if o.Path == nil {
		o.Path = func(topic int) string { return "/v1/topics/" + TopicName(topic) }
	}
	switch {
	case o.Size < MinSize:
		return o, fmt.Errorf("a payload of %d bytes: write at least %d, which an event's marker takes", o.Size, MinSize)
	case o.Lines < 0 || o.Lines > maxLines:
		return o, fmt.Errorf("%d lines at once: write at most %d", o.Lines, maxLines)
	case o.Rate > 0 && o.Lines > 0:
		return o, fmt.Errorf("a rate of single events, and batches of %d: write one of them", o.Lines)
	}
	return o, nil
}

// template makes requests. What does not change from one to the next is made once.
type template struct {
	lines   int
	ids     bool
	starts  [][]byte // of a single event, up to the value of Content-Length, for each topic
	batch   []byte   // the same of a batch
	before  [][]byte // the start of a batch's line, for each topic
	payload []byte
	body    []byte
	request []byte
}

func newTemplate(o PublisherOptions) (*template, error) {
	t := &template{lines: o.Lines, ids: o.IDs, payload: bytes.Repeat([]byte{filler}, o.Size)}
	header := o.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if o.Lines > 0 {
		header.Set("Content-Type", "application/x-ndjson")
	}
	var fields bytes.Buffer
	if err := header.Write(&fields); err != nil {
		return nil, err
	}
	start := func(path string) []byte {
		return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: ", path, o.Addr, fields.String())
	}
	t.batch = start("/v1/publish")
	for topic := range o.Topics {
		if o.Lines > 0 {
			t.before = append(t.before, fmt.Appendf(nil, `{"topic":%q,`, TopicName(topic)))
			continue
		}
		t.starts = append(t.starts, start(o.Path(topic)))
	}
	return t, nil
}

// of returns the request of n events of a course from number e on. It holds until the next call.
func (t *template) of(c Course, e, n int, sent time.Duration) []byte {
	m := mark{sent, c.First + uint32(e)}
	if t.lines == 0 {
		m.put(t.payload)
		t.request = strconv.AppendInt(append(t.request[:0], t.starts[e%c.Topics]...), int64(len(t.payload)), 10)
		if t.ids {
			t.request = strconv.AppendUint(append(t.request, "\r\nIdempotency-Key: "...), uint64(m.seq), 10)
		}
		t.request = append(append(t.request, "\r\n\r\n"...), t.payload...)
		return t.request
	}
	t.body = t.body[:0]
	for i := range n {
		m.put(t.payload)
		t.body = append(t.body, t.before[(e+i)%c.Topics]...)
		if t.ids {
			t.body = append(strconv.AppendUint(append(t.body, `"id":"`...), uint64(m.seq), 10), `",`...)
		}
		t.body = append(append(append(t.body, `"data":"`...), t.payload...), "\"}\n"...)
		m.seq++
	}
	t.request = strconv.AppendInt(append(t.request[:0], t.batch...), int64(len(t.body)), 10)
	t.request = append(append(t.request, "\r\n\r\n"...), t.body...)
	return t.request
}
