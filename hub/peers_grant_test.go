package hub_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/peer"
)

// TestTheRightToAppendIsGrantedOnce asks as another hub would: again by the same number, by another one, and as somebody else.
func TestTheRightToAppendIsGrantedOnce(t *testing.T) {
	s := newStream(t, nil)
	s.times.Leaderless, s.times.Endpoints = 100*time.Millisecond, time.Hour // so that it answers all that is asked below
	p := s.ready()
	p.publish("orders", "1")
	known, err := auth.NewPeers(config.Peers{Audience: peerAudience, Account: "shop-hub"}, "team-a", []config.Issuer{{URL: clusterIssuer, Keys: s.keys}})
	if err != nil {
		t.Fatal(err)
	}
	file := peer.TokenFile(s.tokenFile(s.token(peerSubject, peerAudience, time.Now().Add(time.Hour))))
	client, err := peer.NewClient(func() peer.Credentials { return peer.FileCredentials{TokenFile: file, Peers: known} })
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nobody := newWay(t)
	me := peer.Peer{Address: nobody.address(), Instance: "me", Started: 1}
	nobody.end()
	for _, c := range []struct {
		name    string
		ask     peer.Take
		granted bool
	}{
		{"another epoch", peer.Take{Epoch: "aaaaaaaa", By: me, Number: 1}, false},
		{"the first", peer.Take{Epoch: p.Status().Epoch, By: me, Number: 1}, true},
		{"the same again", peer.Take{Epoch: p.Status().Epoch, By: me, Number: 1}, true},
		{"another number", peer.Take{Epoch: p.Status().Epoch, By: me, Number: 2}, false},
		{"somebody else", peer.Take{Epoch: p.Status().Epoch, By: peer.Peer{Address: me.Address, Instance: "other", Started: 1}, Number: 1}, false},
	} {
		taken, err := client.Take(t.Context(), p.Addrs().Admin, c.ask)
		var refusal *peer.Refusal
		switch {
		case c.granted && (err != nil || taken.End.Seq != 1):
			t.Errorf("%s: %+v, %v", c.name, taken, err)
		case !c.granted && (!errors.As(err, &refusal) || refusal.Code != peer.CodeNotLeading):
			t.Errorf("%s: %+v, %v", c.name, taken, err)
		}
	}
	if resp, body := do(t, "POST", "http://"+p.Addrs().Publish+"/v1/topics/orders", "2"); resp.StatusCode != http.StatusServiceUnavailable || p.Status().Seq != 1 {
		t.Errorf("a hub that has handed over stores events: %d %s", resp.StatusCode, body)
	}
	p.endsBecause("nobody appends in epoch") // a hub that nobody leads does not go on
}
