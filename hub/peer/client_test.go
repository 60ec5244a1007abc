package peer

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// anybody shows a token, and knows everybody.
type anybody struct{}

func (anybody) Token() (string, error)    { return "mine", nil }
func (anybody) Authenticate(string) error { return nil }
func (anybody) Verify(string) error       { return nil }

func newTestClient(t *testing.T) *Client {
	t.Helper()
	c, err := NewClient(func() Credentials { return anybody{} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestOnlyAddressesAreAsked holds that what a peer calls the leader's address shows the token to a port, and to no path of another's.
func TestOnlyAddressesAreAsked(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(address, ":")
	c := newTestClient(t)
	for _, to := range []string{address + "/latest?", "localhost:" + port, "user@" + address, "", "127.0.0.1"} {
		if _, err := c.State(t.Context(), to); err == nil {
			t.Errorf("%q is asked", to)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests came", n)
	}
}

// TestStrangersSayLittle bounds what is made of an answer that nobody vouches for.
func TestStrangersSayLittle(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		coded, err := newCodec()
		if err != nil {
			t.Error(err)
		}
		body, err := coded.encoder.Marshal(Refusal{Code: CodeToken, Reason: strings.Repeat("x", 10<<10), Leader: Peer{Address: "x"}, Epoch: "x"})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	_, err := newTestClient(t).State(t.Context(), strings.TrimPrefix(server.URL, "http://"))
	if err == nil || !strings.Contains(err.Error(), CodeToken) || len(err.Error()) > 2*maxReason {
		t.Errorf("%v", err)
	}
}
