// Package reference is the least work that a hub can do: for each event one chunk that is made once, and one write for each
// connection of its topic, from one thread over one epoll instance. It is what a hub is measured against on the same machine, and no
// hub: it has no ids, no history, no heartbeats, no authentication, believes what it is sent, and waits for a reader that does not
// read. It runs on Linux alone.
package reference

import (
	"bytes"
	"strconv"
)

// Options of a reference.
type Options struct {
	// Addr is the IPv4 address and port to listen on; port 0 is any. Readers and publishers share it.
	Addr string
	// Batch joins the events of a topic that come in one round of epoll into one write for each connection: the least work of a hub
	// that gathers. Publishers are answered after it.
	Batch bool
}

const (
	// opening answers a reader.
	opening = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
	// accepted answers a publisher.
	accepted = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
)

// request is what a client sent. Its slices are the caller's buffer.
type request struct {
	publish bool
	topic   []byte
	body    []byte
}

// readRequest returns the first request of b and what follows it; whole is false if there is more to come of it.
func readRequest(b []byte) (r request, rest []byte, whole bool) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return r, b, false
	}
	line, fields, _ := bytes.Cut(b[:end+2], []byte("\r\n"))
	rest = b[end+4:]
	r.publish = line[0] == 'P'
	r.topic = topic(line)
	if !r.publish {
		return r, rest, true
	}
	n := contentLength(fields)
	if len(rest) < n {
		return r, b, false
	}
	r.body = rest[:n]
	return r, rest[n:], true
}

// topic is the third part of a path such as /v1/topics/orders/events; all of the path if it is another.
func topic(line []byte) []byte {
	_, path, _ := bytes.Cut(line, []byte{' '})
	path, _, _ = bytes.Cut(path, []byte{' '})
	if name, ok := bytes.CutPrefix(path, []byte("/v1/topics/")); ok {
		name, _, _ = bytes.Cut(name, []byte{'/'})
		return name
	}
	return path
}

func contentLength(fields []byte) int {
	const name = "content-length:"
	for len(fields) > len(name) {
		if fields[0]|0x20 == 'c' && bytes.EqualFold(fields[:len(name)], []byte(name)) {
			value, _, _ := bytes.Cut(fields[len(name):], []byte{'\r'})
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil {
				return 0
			}
			return n
		}
		i := bytes.IndexByte(fields, '\n')
		if i < 0 {
			return 0
		}
		fields = fields[i+1:]
	}
	return 0
}

// appendChunk appends an event as a chunk.
func appendChunk(to, body []byte) []byte {
	const before, after = "data: ", "\n\n"
	to = strconv.AppendInt(to, int64(len(before)+len(body)+len(after)), 16)
	to = append(to, "\r\n"+before...)
	to = append(to, body...)
	return append(to, after+"\r\n"...)
}
