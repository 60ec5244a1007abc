package hub_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

const firstPod = "0a1b2c3d-0000-4000-8000-000000000001"

// names are a name server that may be away: until back is closed, it answers nothing.
type names struct {
	lister
	back  chan struct{} // nil is there from the beginning
	asked atomic.Bool
}

// Peers implements peer.Resolver.
func (n *names) Peers(ctx context.Context) (others []string, listed bool, err error) {
	n.asked.Store(true)
	if n.back != nil {
		select {
		case <-n.back:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	return n.lister.Peers(ctx)
}

// withFirst is a stream whose configuration says that firstPod is the first, for ever.
func withFirst(t *testing.T) *stream {
	return newStream(t, func(c *config.Config) { c.Peers.First = firstPod })
}

// as gives a hub its pod's UID, and its name server.
func (s *stream) as(uid string, w *way, n *names) func(*hub.Options) {
	n.lister = lister{s, w.address()}
	return func(o *hub.Options) {
		*o = o.WithPeers(n, w.address(), s.times)
		o.PodUID = uid
	}
}

func (p *pod) expectFirst() {
	p.t.Helper()
	p.untilReady(http.StatusOK)
	if got := p.Status(); got.Role != "leading" || got.Handover.Result != "first" {
		p.t.Errorf("%+v %+v", got, got.Handover)
	}
	if logs := p.logs.String(); strings.Contains(logs, "level=ERROR") {
		p.t.Errorf("a first hub logs an error: %s", logs)
	}
}

// TestTheFirstHubWaitsForNoNameServer would wait for as long as Times.Search, and say that history is lost.
func TestTheFirstHubWaitsForNoNameServer(t *testing.T) {
	s, w, n := withFirst(t), newWay(t), &names{back: make(chan struct{})}
	s.launchAt(w, s.as(firstPod, w, n)).expectFirst()
}

func TestTheFirstHubWaitsForNobodyWhoIsGone(t *testing.T) {
	s, w, n := withFirst(t), newWay(t), &names{}
	s.list("127.0.0.1:1") // of a pod that is gone, by a name server that does not know that yet
	s.launchAt(w, s.as(firstPod, w, n)).expectFirst()
}

// TestAHubThatLearnsLateThatItIsTheFirstWaitsNoLonger has the file come after the process, while the name server is being asked.
func TestAHubThatLearnsLateThatItIsTheFirstWaitsNoLonger(t *testing.T) {
	s, w, n := newStream(t, nil), newWay(t), &names{back: make(chan struct{})}
	p := s.launchAt(w, s.as(firstPod, w, n))
	p.until("asking for names", n.asked.Load)
	hash := p.Status().ConfigHash
	next := base()
	s.configure(next)
	next.Peers.First = firstPod
	if err := p.Reload(next); err != nil {
		t.Fatal(err)
	}
	p.expectFirst()
	if got := p.Status().ConfigHash; got != hash {
		t.Errorf("who is the first is no other configuration: %s, was %s", got, hash)
	}
}

// TestAHubWithoutATokenMayBeTheFirst has nothing to show to others, of which there are none.
func TestAHubWithoutATokenMayBeTheFirst(t *testing.T) {
	s, w, n := withFirst(t), newWay(t), &names{}
	s.launchAt(w, s.as(firstPod, w, n), func(o *hub.Options) { o.PeerToken += "-that-is-missing" }).expectFirst()
}

// TestTheNextHubTakesOverWhateverTheConfigurationSays has the configuration name the hub before it, since nobody has written another one.
func TestTheNextHubTakesOverWhateverTheConfigurationSays(t *testing.T) {
	for name, uid := range map[string]string{"another pod": "another", "a pod that does not know its UID": ""} {
		t.Run(name, func(t *testing.T) {
			s, w, n := withFirst(t), newWay(t), &names{}
			old := s.launchAt(w, s.as(firstPod, w, n))
			old.expectFirst()
			id := old.publish("orders", "kept")
			next := s.ready(func(o *hub.Options) { o.PodUID = uid })
			if got := next.Status(); got.Epoch != epochOf(id) || got.Seq != 1 || got.Handover.Result != "taken_over" {
				t.Errorf("%+v %+v", got, got.Handover)
			}
		})
	}
}

// TestTwoHubsOfWhichOneIsTheFirst holds that they find each other.
func TestTwoHubsOfWhichOneIsTheFirst(t *testing.T) {
	s, w, n := withFirst(t), newWay(t), &names{}
	a, b := s.launchAt(w, s.as(firstPod, w, n)), s.launch(func(o *hub.Options) { o.PodUID = "another" })
	b.until("one leading, one following", func() bool {
		roles := a.Status().Role + " " + b.Status().Role
		return a.Status().Epoch == b.Status().Epoch && (roles == "leading following" || roles == "following leading")
	})
}

// TestAFirstHubThatCrashedIsTheFirstAgain has nobody else be there.
func TestAFirstHubThatCrashedIsTheFirstAgain(t *testing.T) {
	s, w, n := withFirst(t), newWay(t), &names{back: make(chan struct{})}
	crashed := s.launchAt(w, s.as(firstPod, w, n))
	crashed.expectFirst()
	anew := s.launchAt(w, s.as(firstPod, w, n))
	anew.expectFirst()
	if anew.Status().Epoch == crashed.Status().Epoch {
		t.Error("its history is gone, and the epoch is not")
	}
}

// TestAFirstHubThatCrashedAfterItsHandOverTakesOver has its process start again in the pod that the configuration still names.
func TestAFirstHubThatCrashedAfterItsHandOverTakesOver(t *testing.T) {
	s, w, n := withFirst(t), newWay(t), &names{}
	crashed := s.launchAt(w, s.as(firstPod, w, n))
	crashed.expectFirst()
	next := s.ready(func(o *hub.Options) { o.PodUID = "another" })
	id := next.publish("orders", "kept")
	w.to("127.0.0.1:1") // where nobody is
	w.drop()
	anew := s.launchAt(w, s.as(firstPod, w, n))
	anew.untilReady(http.StatusOK)
	if got := anew.Status(); got.Epoch != epochOf(id) || got.Seq != 1 || got.Handover.Result != "taken_over" {
		t.Errorf("%+v %+v", got, got.Handover)
	}
}

// TestAHubThatWasWronglyTheFirstGivesWay has that process start while the name server is away, too: it cannot know better until then.
func TestAHubThatWasWronglyTheFirstGivesWay(t *testing.T) {
	s, w, n := withFirst(t), newWay(t), &names{}
	crashed := s.launchAt(w, s.as(firstPod, w, n))
	crashed.expectFirst()
	next := s.ready(func(o *hub.Options) { o.PodUID = "another" })
	cursor := next.publish("orders", "1")
	next.publish("orders", "kept")
	w.to("127.0.0.1:1") // where nobody is
	w.drop()
	n = &names{back: make(chan struct{})}
	s.times.Endpoints = time.Hour
	anew := s.launchAt(w, s.as(firstPod, w, n))
	anew.expectFirst()
	close(n.back)
	anew.untilRole("superseded")
	if id := anew.publish("orders", "goes on"); epochOf(id) != epochOf(cursor) {
		t.Errorf("%s is stored in another epoch than %s", id, cursor)
	}
	anew.endsBecause("another epoch")
	if got := next.Status(); got.Role != "leading" || got.Epoch != epochOf(cursor) || got.Seq != 3 {
		t.Errorf("%+v", got)
	}
	c := next.read("topic=orders", "Last-Event-ID", cursor)
	c.expect("runnel-open", `"exact"`)
	c.expect("", "kept")
}
