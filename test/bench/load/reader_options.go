package load

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

// ReaderOptions say how readers connect and read.
type ReaderOptions struct {
	// Addr is the server's IPv4 address and port.
	Addr string
	// Readers is how many connections there are, at least 1. RLIMIT_NOFILE bounds them.
	Readers int
	// Topics is how many topics they read in turn: reader i reads topic i mod Topics. 0 is 1.
	Topics int
	// Path of a topic's stream; nil is that of a hub for TopicName.
	Path func(topic int) string
	// Header is sent besides Host and Accept, such as Authorization or Last-Event-ID.
	Header http.Header
	// Opening is how many connections may be in the making at a time. 0 is 256.
	Opening int
	// PerAddress is how many connections come from each address. To a loopback address they come from 127.0.0.2, 127.0.0.3 and so on,
	// since the ports of one address are few. 0 is 10,000.
	PerAddress int
	// Backlog is how many of a course's first events were published before the readers connect; Received.CaughtUp says when all had
	// them, and CaughtUp, unless it is nil, is called then, on the readers' thread.
	Backlog  int
	CaughtUp func()
	// Slow readers take little of what they are sent, or nothing; nil takes all at once.
	Slow *Pace
	// Patience is how long nothing may arrive, once all is published, before what is missing is given up. 0 is two minutes.
	Patience time.Duration
}

// Pace is how a slow reader reads.
type Pace struct {
	// Bytes that it takes at a time; 0 is none at all.
	Bytes int
	// Every is how often it does.
	Every time.Duration
	// Window is the socket's receive buffer, in bytes; 0 leaves it to the system, which gives megabytes to who does not read.
	Window int
}

func (o ReaderOptions) withDefaults() (ReaderOptions, error) {
	if o.Readers < 1 {
		return o, fmt.Errorf("%d readers: write at least 1", o.Readers)
	}
	o.Topics = or(o.Topics, 1)
	o.Opening = or(o.Opening, 256)
	o.PerAddress = or(o.PerAddress, 10_000)
	o.Patience = or(o.Patience, defaultPatience)
	if o.Path == nil {
		o.Path = func(topic int) string { return "/v1/topics/" + TopicName(topic) + "/events" }
	}
	if o.Slow != nil && o.Slow.Bytes > 0 && o.Slow.Every <= 0 {
		return o, fmt.Errorf("a slow reader takes %d bytes at a time: write how often", o.Slow.Bytes)
	}
	return o, nil
}

// requests of each topic's readers.
func (o ReaderOptions) requests() ([][]byte, error) {
	out := make([][]byte, o.Topics)
	for t := range out {
		var b bytes.Buffer
		fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n", o.Path(t), o.Addr)
		if err := o.Header.Write(&b); err != nil {
			return nil, err
		}
		b.WriteString("\r\n")
		out[t] = b.Bytes()
	}
	return out, nil
}

func or[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}
