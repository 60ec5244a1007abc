package http1

import (
	"net/http"
	"strconv"
	"time"
)

// Field is a header of an answer.
type Field struct{ Name, Value string }

// AppendAnswer appends an answer with headers as net/http writes it: fields, which are in the order of their names as net/http's are, then
// the date and the body's length, and that the connection ends if that is asked for.
func (r *Request) AppendAnswer(to []byte, status int, body []byte, fields ...Field) []byte {
	to = append(to, "HTTP/1.1 "...)
	to = strconv.AppendInt(to, int64(status), 10)
	to = append(to, ' ')
	to = append(to, http.StatusText(status)...)
	for _, f := range fields {
		to = append(to, "\r\n"...)
		to = append(to, f.Name...)
		to = append(to, ": "...)
		to = append(to, f.Value...)
	}
	to = append(to, "\r\nDate: "...)
	to = append(to, r.now.date()...)
	if status != http.StatusNoContent && status != http.StatusNotModified { // which have no body, and no length of it (RFC 9110, section 8.6)
		to = append(to, "\r\nContent-Length: "...)
		to = strconv.AppendInt(to, int64(len(body)), 10)
	}
	if r.Close {
		to = append(to, "\r\nConnection: close"...)
	}
	to = append(to, "\r\n\r\n"...)
	return append(to, body...)
}

// clock is the time of a loop's round, and its text once a second.
type clock struct {
	now    time.Time
	second int64
	text   []byte
}

func (c *clock) date() []byte {
	if s := c.now.Unix(); s != c.second || c.text == nil {
		c.second, c.text = s, c.now.UTC().AppendFormat(c.text[:0], http.TimeFormat)
	}
	return c.text
}
