package hub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// TestWhoCannotBeReachedMayLead holds that only a refused connection says that nobody is there: a pod whose network is not there yet
// reaches nobody.
func TestWhoCannotBeReachedMayLead(t *testing.T) {
	s := newStream(t, nil)
	s.times.Search, s.times.Answer = 300*time.Millisecond, 100*time.Millisecond
	const unreachable = "255.255.255.255:9090" // no connection goes to all hosts at once
	s.list(unreachable)
	p := s.ready()
	if h := p.Status().Handover; h.Result != "missed" || !strings.Contains(h.Reason, unreachable) {
		t.Errorf("%+v", h)
	}
}

// TestAHubThatRefusedConnectionsIsToldWhoLeads has a hub start that is refused by one which leads, as by a proxy in between that is not
// there yet.
func TestAHubThatRefusedConnectionsIsToldWhoLeads(t *testing.T) {
	s := newStream(t, nil)
	s.times.Endpoints = time.Hour
	old := s.ready()
	s.times.Endpoints = 0
	address := old.way.address()
	old.way.end()
	s.times.Answer = time.Second // the next hub tries a refused connection again for so long, and then waits so long for the answer to a claim
	next := s.ready()
	if got := next.Status(); got.Epoch == old.Status().Epoch || !strings.Contains(got.Handover.Reason, address) {
		t.Errorf("%+v", got.Handover)
	}
	newWayAt(t, address).to(old.Addrs().Admin)
	old.untilRole("superseded")
	if id := old.publish("orders", "1"); epochOf(id) != next.Status().Epoch {
		t.Errorf("%s", id)
	}
	old.endsBecause("another epoch")
}

// TestARefusedConnectionIsTriedAgain has the way to the hub that leads open a moment after another one has looked.
func TestARefusedConnectionIsTriedAgain(t *testing.T) {
	s := newStream(t, nil)
	s.times.Answer = patience
	old := s.ready()
	address := old.way.address()
	old.way.end()
	next := s.launch()
	next.until("refused", func() bool {
		_, body := do(t, "GET", "http://"+next.Addrs().Admin+"/readyz", "")
		return strings.Contains(body, address)
	})
	newWayAt(t, address).to(old.Addrs().Admin)
	next.untilRole("leading")
	if got := next.Status(); got.Epoch != old.Status().Epoch || got.Handover.Result != "taken_over" {
		t.Errorf("%+v", got.Handover)
	}
}

// TestALeaderThatStartsAnewWaitsForNobody has the process of a leader replaced at its address: who follows it names nobody else, and there
// is nobody to wait for.
func TestALeaderThatStartsAnewWaitsForNobody(t *testing.T) {
	s := newStream(t, nil)
	s.times.Search, s.times.Endpoints = time.Hour, time.Hour
	follower := s.ready()
	s.times.Endpoints = 0
	crashed := s.ready()
	follower.untilRole("following")
	crashed.way.to("127.0.0.1:1") // where nobody is
	crashed.way.drop()
	anew := s.launchAt(crashed.way)
	anew.untilRole("leading")
	if h := anew.Status().Handover; h.Result != "missed" || !strings.Contains(h.Reason, follower.way.address()) {
		t.Errorf("%+v", h)
	}
	follower.untilRole("superseded")
	if id := follower.publish("orders", "1"); epochOf(id) != anew.Status().Epoch {
		t.Errorf("%s", id)
	}
	follower.endsBecause("another epoch")
}

// TestAHubThatCannotPassOnDoesNotHurry counts how often a follower asks a leader that ends each connection, for one event.
func TestAHubThatCannotPassOnDoesNotHurry(t *testing.T) {
	s := newStream(t, func(c *config.Config) { c.Drain.Window = 0 })
	s.times.Leaderless, s.times.Endpoints = 2*time.Second, time.Hour
	old := s.ready()
	s.times.Leaderless, s.times.Endpoints = patience, 0
	next := s.ready()
	old.untilRole("following")
	next.way.to("127.0.0.1:1")
	next.way.drop()
	before := next.way.taken.Load()
	if resp, body := do(t, "POST", "http://"+old.Addrs().Publish+"/v1/topics/orders", "nobody stores it"); resp.StatusCode != 503 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if asked := next.way.taken.Load() - before; asked > 60 { // in two seconds, however much or little the machine did in them
		t.Errorf("it was asked %d times", asked)
	}
	old.endsBecause("nobody appends in epoch")
}

// TestWhoNobodyCanTakeOverFromWaitsForNobody holds that a hub which could not verify, or show, a token does not go on appending beside
// one that had to begin an epoch.
func TestWhoNobodyCanTakeOverFromWaitsForNobody(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		option func(*hub.Options)
	}{
		"no keys of issuers": {func(c *config.Config) { c.Auth.Issuers = nil }, func(*hub.Options) {}},
		"no token":           {nil, func(o *hub.Options) { o.PeerToken += "-that-is-missing" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStream(t, c.change)
			s.times.Successor = time.Hour
			p := s.ready(c.option)
			p.stop()
			if err := p.gone(); err != nil {
				t.Error(err)
			}
		})
	}
}
