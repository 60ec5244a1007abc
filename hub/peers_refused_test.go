package hub_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// TestOnlyHubsOfTheStreamAreAnswered goes through those who are not.
func TestOnlyHubsOfTheStreamAreAnswered(t *testing.T) {
	s := newStream(t, func(c *config.Config) {
		c.Auth.Publishers = config.Publishers{ServiceAccounts: &config.ServiceAccounts{
			Audience: "publish", Grants: []config.Grant{{Namespace: "team-a", Name: "shop-hub", Topics: []string{">"}}},
		}}
	})
	p := s.ready()
	soon := time.Now().Add(time.Hour)
	good := s.token(peerSubject, peerAudience, soon)
	for name, token := range map[string]string{
		"no token":                "",
		"another audience":        s.token(peerSubject, "runnel.dev/peer/team-a/other", soon),
		"a publisher's token":     s.token(peerSubject, "publish", soon),
		"another account":         s.token("system:serviceaccount:team-a:other", peerAudience, soon),
		"another namespace":       s.token("system:serviceaccount:team-b:shop-hub", peerAudience, soon),
		"an expired token":        s.token(peerSubject, peerAudience, time.Now().Add(-time.Minute)),
		"another cluster's token": newStream(t, nil).token(peerSubject, peerAudience, soon),
	} {
		for _, path := range []string{"GET /peer/v1/state", "GET /peer/v1/log?epoch=" + p.Status().Epoch, "POST /peer/v1/take", "POST /peer/v1/append", "POST /peer/v1/superseded", "POST /peer/v1/offer", "GET /peer/v9/x"} {
			method, path, _ := strings.Cut(path, " ")
			resp, body := do(t, method, "http://"+p.Addrs().Admin+path, "", "Authorization", "Bearer "+token)
			if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("Runnel-Peer-Token") != "" || strings.Contains(body, p.Status().Epoch) {
				t.Errorf("%s at %s: %d %v %s", name, path, resp.StatusCode, resp.Header, body)
			}
		}
	}
	if resp, body := do(t, "GET", "http://"+p.Addrs().Admin+"/peer/v1/state", "", asBearer(good)...); resp.StatusCode != 200 || !strings.Contains(body, p.Status().Epoch) {
		t.Errorf("a hub of the stream: %d %s", resp.StatusCode, body)
	}
	if resp, body := do(t, "GET", "http://"+p.Addrs().Admin+"/peer/v2/state", "", asBearer(good)...); resp.StatusCode != 404 || !strings.Contains(body, "speaks version 1") {
		t.Errorf("another version: %d %s", resp.StatusCode, body)
	}
	if resp, _ := do(t, "POST", "http://"+p.Addrs().Admin+"/peer/v1/take", strings.Repeat("x", 16<<10+1), asBearer(good)...); resp.StatusCode != 400 {
		t.Errorf("a body of more than 16 KiB: %d", resp.StatusCode)
	}
	if resp, body := do(t, "POST", "http://"+p.Addrs().Publish+"/v1/topics/orders", "", asBearer(good)...); resp.StatusCode != 401 {
		t.Errorf("a hub's token is of use to publish: %d %s", resp.StatusCode, body)
	}
	alone := start(t, nil)
	if resp, _ := do(t, "GET", "http://"+alone.Addrs().Admin+"/peer/v1/state", "", asBearer(good)...); resp.StatusCode != 404 {
		t.Errorf("a hub without peers: %d", resp.StatusCode)
	}
}

// TestHubsThatCannotBeBelieved has a hub start beside something that answers, and is no hub that hands over.
func TestHubsThatCannotBeBelieved(t *testing.T) {
	s := newStream(t, nil)
	s.times.Search = 200 * time.Millisecond
	good := s.token(peerSubject, peerAudience, time.Now().Add(time.Hour))
	state := func(version int) []byte {
		text, err := cbor.Marshal(map[int]any{1: version, 2: map[int]any{1: "x:1", 2: "x", 3: 1}, 3: "leading", 4: "aaaaaaaa", 5: 7, 6: map[int]any{}, 7: false})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"another version": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Runnel-Peer-Token", good)
			_, _ = w.Write(state(2))
		}, "it speaks version 2 of the hand-over, this hub 1"},
		"no token": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(state(1)) }, "token is refused"},
		"another's token": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Runnel-Peer-Token", s.token("system:serviceaccount:team-a:other", peerAudience, time.Now().Add(time.Hour)))
			_, _ = w.Write(state(1))
		}, "and the hubs of this stream run as"},
		"the asker's own token": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Runnel-Peer-Token", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			_, _ = w.Write(state(1))
		}, "which anybody could who was asked"},
		"no CBOR": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Runnel-Peer-Token", good)
			_, _ = w.Write([]byte("<html>"))
		}, "cannot be read"},
		"an answer without an end": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Runnel-Peer-Token", good)
			for r.Context().Err() == nil {
				_, _ = w.Write(bytes.Repeat([]byte{0x9f}, 1<<10))
			}
		}, "it has more than 16384 bytes"},
		"a log that is too large": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Runnel-Peer-Token", good)
			if !strings.Contains(r.URL.Path, "log") {
				_, _ = w.Write(state(1))
				return
			}
			_, _ = w.Write([]byte{0xff, 0xff, 0xff, 0xff, 2})
			_, _ = w.Write(make([]byte, 1<<20))
		}, "is more than"},
		"a log without an end": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Runnel-Peer-Token", good)
			if !strings.Contains(r.URL.Path, "log") {
				_, _ = w.Write(state(1))
				return
			}
			begin, err := cbor.Marshal(map[int]any{1: "aaaaaaaa", 2: 7})
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(append([]byte{0, 0, 0, byte(len(begin)), 1}, begin...))
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte{0, 0, 0, 3, 2, 0xa1, 1, 0x80}) // no records
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Millisecond)
			}
		}, "does not come to an end"},
		"another program": {http.NotFound, "it answers 404"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "it answers 302"},
	} {
		t.Run(name, func(t *testing.T) {
			other := httptest.NewServer(c.answer)
			defer other.Close()
			address := strings.TrimPrefix(other.URL, "http://")
			s.list(address)
			defer s.unlist(address)
			s.times.Copy = patience
			if name == "a log without an end" {
				s.times.Copy = 300 * time.Millisecond
			}
			p := s.ready()
			if h := p.Status().Handover; h.Result != "missed" || !strings.Contains(h.Reason, c.want) {
				t.Errorf("%+v, want %q", h, c.want)
			}
			s.unlist(p.way.address())
			p.end()
		})
	}
}

// TestAHubWithoutATokenHandsNothingOver holds that it serves, and says why it has nobody.
func TestAHubWithoutATokenHandsNothingOver(t *testing.T) {
	s := newStream(t, nil)
	p := s.ready(func(o *hub.Options) { o.PeerToken += "-that-is-missing" })
	if h := p.Status().Handover; h.Result != "missed" || !strings.Contains(h.Reason, "the hub's own token") {
		t.Errorf("%+v", h)
	}
	p.publish("orders", "1")
	if resp, _ := do(t, "GET", "http://"+p.Addrs().Admin+"/peer/v1/state", "", asBearer(s.token(peerSubject, peerAudience, time.Now().Add(time.Hour)))...); resp.StatusCode != 404 {
		t.Errorf("%d", resp.StatusCode)
	}
}
