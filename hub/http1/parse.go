package http1

import "bytes"

const (
	// maxRequest is how long a request with its body may be; it is the size of a loop's buffer.
	maxRequest = 64 << 10
	// maxFields is ample for what a browser sends behind two proxies.
	maxFields = 64
)

// reading is what the bytes of a connection hold.
type reading int

const (
	// foreign is for net/http.
	foreign reading = iota
	// partial may become whole, if what follows allows it.
	partial
	whole
)

// parse reads the request that b begins with, and returns its length when it is whole.
//
// What it takes is less than what RFC 9112 allows, and less than what net/http takes, so that there is no text that both read in different
// ways: no line end but CRLF, no folded line, no byte beyond ASCII, no escape in the path, a single Host, a single length of the body, and
// no header that would change how the body is read or the connection goes on.
func (r *Request) parse(b []byte) (n int, found reading) {
	r.Post, r.Close, r.Path, r.RawQuery, r.Body, r.fields, r.total = false, false, nil, nil, nil, r.fields[:0], 0
	line, n, found := cutLine(b, 0)
	if found != whole {
		if found == partial && !beginsWell(b) {
			return 0, foreign
		}
		return 0, found
	}
	if !r.parseTarget(line) {
		return 0, foreign
	}
	length := -1
	hosts := 0
	for {
		if line, n, found = cutLine(b, n); found != whole {
			return 0, found
		}
		if len(line) == 0 {
			break
		}
		f, ok := parseField(line)
		if !ok || len(r.fields) == maxFields || !r.understand(f, &hosts, &length) {
			return 0, foreign
		}
		r.fields = append(r.fields, f)
	}
	if hosts != 1 || r.Post != (length >= 0) || n+max(length, 0) > maxRequest {
		return 0, foreign
	}
	r.total = n + max(length, 0)
	if len(b) < r.total {
		return 0, partial
	}
	if r.Post {
		r.Body = b[n:r.total:r.total]
	}
	r.raw = b[:r.total:r.total]
	return r.total, whole
}

// cutLine returns the line that begins at an offset, without its end, and where the next begins.
func cutLine(b []byte, at int) (line []byte, next int, found reading) {
	end := bytes.IndexByte(b[at:], '\n')
	if end < 0 {
		return nil, at, partial
	}
	if end == 0 || b[at+end-1] != '\r' {
		return nil, at, foreign
	}
	return b[at : at+end-1], at + end + 1, whole
}

const (
	get     = "GET "
	post    = "POST "
	version = " HTTP/1.1"
)

// beginsWell says whether the first bytes of a connection may become a request that is taken here.
func beginsWell(b []byte) bool {
	for _, method := range []string{get, post} {
		if n := min(len(b), len(method)); string(b[:n]) == method[:n] {
			return true
		}
	}
	return false
}

func (r *Request) parseTarget(line []byte) bool {
	target, ok := bytes.CutPrefix(line, []byte(get))
	if !ok {
		if target, ok = bytes.CutPrefix(line, []byte(post)); !ok {
			return false
		}
		r.Post = true
	}
	if target, ok = bytes.CutSuffix(target, []byte(version)); !ok || len(target) == 0 || target[0] != '/' {
		return false
	}
	path, query, asked := bytes.Cut(target, []byte{'?'})
	for i, c := range path {
		if !is(c, inPath) || i > 0 && path[i-1] == '/' && (c == '/' || c == '.') {
			return false
		}
	}
	if asked && !all(query, inQuery) {
		return false
	}
	r.Path, r.RawQuery = path, query
	return true
}

func parseField(line []byte) (f field, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !all(line[:colon], inToken) || !all(line[colon+1:], inValue) {
		return f, false
	}
	return field{line[:colon], bytes.Trim(line[colon+1:], " \t")}, true
}

// understand takes in what a header says about the request, and says whether that is all that it says.
func (r *Request) understand(f field, hosts, length *int) bool {
	named := func(name string) bool { return equalFold(f.name, name) }
	switch len(f.name) {
	case len("TE"):
		return !named("TE")
	case len("Host"):
		if named("Host") {
			*hosts++
			return len(f.value) > 0 && all(f.value, inHost)
		}
	case len("Expect"):
		return !named("Expect")
	case len("Upgrade"): // and Trailer
		return !named("Upgrade") && !named("Trailer")
	case len("Connection"):
		if named("Connection") {
			switch {
			case len(f.value) == len("close") && equalFold(f.value, "close"):
				r.Close = true
				return true
			default:
				return len(f.value) == len("keep-alive") && equalFold(f.value, "keep-alive")
			}
		}
	case len("Content-Length"): // and HTTP2-Settings
		if named("Content-Length") {
			ok := *length < 0
			*length = parseLength(f.value)
			return ok && *length >= 0
		}
		return !named("HTTP2-Settings")
	case len("Transfer-Encoding"):
		return !named("Transfer-Encoding")
	}
	return true
}

// parseLength reads a length up to maxRequest, written in the shortest way; all others are -1.
func parseLength(digits []byte) int {
	if len(digits) == 0 || len(digits) > 1 && digits[0] == '0' {
		return -1
	}
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return -1
		}
		if n = n*10 + int(c-'0'); n > maxRequest {
			return -1
		}
	}
	return n
}
