package hub_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

// TestAStreamMayBeCutAtEveryByte resumes over a gap, cuts the answer after each of its bytes, and comes back as a browser does: with
// the id of the last block that came whole. However it was cut, the reader has what is retained, each once and in order, and was
// told of the gap.
func TestAStreamMayBeCutAtEveryByte(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Limits.ConnectionsPerHub = 0 })
	cursor := s.publish("orders", "before")
	for i := range 3 {
		s.publish("orders", fmt.Sprintf("order %d\nof 3", i))
		s.publish("last", fmt.Sprint("value ", i)) // the others are evicted
	}
	for query, want := range map[string][]string{
		"topic=orders&topic=last": {"order 0\nof 3", "order 1\nof 3", "order 2\nof 3", "value 2"},
		"topic=last":              {"value 2"},
	} {
		for length, whole := 0, false; !whole; length++ {
			r := &resuming{query: query, cursor: cursor}
			if whole = r.connect(t, s, length); !whole {
				r.connect(t, s, -1)
			}
			if !slices.Equal(r.data, want) || !r.told {
				t.Fatalf("%s: cut after %d bytes: got %q, told of the gap: %t", query, length, r.data, r.told)
			}
		}
	}
}

// resuming is a reader over its connections.
type resuming struct {
	query, cursor string
	data          []string
	told          bool
}

// connect reads so many bytes, or all for -1, and says whether all that is retained came.
func (r *resuming) connect(t *testing.T, s *server, length int) bool {
	t.Helper()
	body, conn := raw(t, s.Addrs().Subscribe, "GET /v1/events?"+r.query+" HTTP/1.0\r\nLast-Event-ID: "+r.cursor+"\r\n\r\n")
	defer func() { _ = conn.Close() }()
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = body.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	from := io.Reader(body)
	if length >= 0 {
		from = io.LimitReader(body, int64(length))
	}
	errEnough := errors.New("enough")
	err := parseUntil(from, func(e sse) error {
		if e.id != "" {
			r.cursor = e.id
		}
		r.told = r.told || e.typ == "runnel-gap" && strings.Contains(e.data, `"topics":["last"]`)
		if !strings.HasPrefix(e.typ, "runnel-") {
			r.data = append(r.data, e.data)
		}
		if e.data == "value 2" {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return errors.Is(err, errEnough)
}
