package hub_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

// TestAStoppedLeaderIsSuperseded has a leader that accepts connections and says nothing, until it wakes up.
func TestAStoppedLeaderIsSuperseded(t *testing.T) {
	s := newStream(t, nil)
	s.times.Endpoints = time.Hour
	stopped := s.ready()
	s.times.Endpoints = 0
	c := stopped.read("topic=orders")
	c.expect("runnel-open", "live")
	cursor := stopped.publish("orders", "lost")
	c.expect("", "lost")
	stopped.way.silence(true)
	s.times.Search, s.times.Answer = 500*time.Millisecond, 200*time.Millisecond
	next := s.ready() // although the other one never answers
	got := next.Status()
	if got.Epoch == stopped.Status().Epoch || got.Handover.Result != "missed" || !strings.Contains(got.Handover.Reason, stopped.way.address()) {
		t.Errorf("%+v %+v", got, got.Handover)
	}
	if body := metrics(t, next.server); !strings.Contains(body, `runnel_hub_handovers_total{result="missed"} 1`) {
		t.Error(body)
	}
	reset := next.read("topic=orders", "Last-Event-ID", cursor)
	reset.expect("runnel-open", `"reset"`)

	stopped.way.silence(false)
	stopped.untilRole("superseded")
	c.expect("runnel-close", "drain")
	if id := stopped.publish("orders", "goes on"); epochOf(id) != got.Epoch {
		t.Errorf("a superseded hub stored %s", id)
	}
	reset.expect("runnel-gap", "reset")
	reset.expect("", "goes on")
	refused := stopped.read("topic=orders", "Last-Event-ID", cursor)
	refused.expect("runnel-close", "overloaded")
	if status := stopped.Status(); status.Leader != next.way.address() || status.Handover.Result != "superseded" {
		t.Errorf("%+v", status)
	}
	if resp, body := do(t, "GET", "http://"+stopped.Addrs().Admin+"/readyz", ""); resp.StatusCode != 503 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	stopped.endsBecause("another epoch")
}

// TestAnAnswerThatIsLostOnce has the connection end in place of the answer to a take: it is asked for again.
func TestAnAnswerThatIsLostOnce(t *testing.T) {
	s := newStream(t, nil)
	old := s.ready()
	id := old.publish("orders", "1")
	old.way.cut.Store(cutting("/peer/v1/take", 1))
	next := s.ready()
	if got := next.Status(); got.Epoch != epochOf(id) || got.Handover.Result != "taken_over" {
		t.Errorf("%+v %+v", got, got.Handover)
	}
	if id := old.publish("orders", "2"); id != epochOf(id)+"-2" || epochOf(id) != next.Status().Epoch {
		t.Errorf("%s", id)
	}
}

// TestAnAnswerThatNeverComes has all of them lost: the old hub appends no more, and the new one not in its epoch.
func TestAnAnswerThatNeverComes(t *testing.T) {
	s := newStream(t, nil)
	s.times.Endpoints = time.Hour
	old := s.ready()
	s.times.Endpoints = 0
	before := old.publish("orders", "1")
	old.way.cut.Store(cutting("/peer/v1/take", 1_000_000))
	s.times.Answer = 300 * time.Millisecond // after three of which the new hub gives up
	next := s.ready()
	if got := next.Status(); got.Epoch == epochOf(before) || got.Handover.Result != "missed" {
		t.Errorf("%+v %+v", got, got.Handover)
	}
	old.untilRole("superseded")
	for _, p := range []*pod{old, next} {
		if id := p.publish("orders", "2"); epochOf(id) != next.Status().Epoch {
			t.Errorf("%s is stored by %s", id, p.way.address())
		}
	}
	if got := old.Status(); got.Epoch != epochOf(before) || got.Seq != 1 {
		t.Errorf("%+v", got)
	}
	old.endsBecause("another epoch")
}

// TestALeaderThatDiesLeavesItsFollowerNoPlace has the new hub vanish, and nobody else there.
func TestALeaderThatDiesLeavesItsFollowerNoPlace(t *testing.T) {
	s := newStream(t, func(c *config.Config) { c.Drain.Window = 0 })
	s.times.Leaderless, s.times.Endpoints = 300*time.Millisecond, time.Hour
	old := s.ready()
	c := old.read("topic=orders")
	c.expect("runnel-open", "live")
	s.times.Leaderless, s.times.Endpoints = patience, 0
	next := s.ready()
	old.untilRole("following")
	next.way.end()
	resp, body := do(t, "POST", "http://"+old.Addrs().Publish+"/v1/topics/orders", "nobody stores it")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "not_stored") && !strings.Contains(body, "outcome_unknown") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	c.expect("runnel-close", "drain")
	old.endsBecause("nobody appends in epoch")
}

// TestAForwardWhoseAnswerIsLost has the answer to what is passed on lost, once: it is stored once, whether it has an id or not.
func TestAForwardWhoseAnswerIsLost(t *testing.T) {
	s := newStream(t, nil)
	old, next := s.ready(), s.ready()
	old.untilRole("following")
	for i, query := range []string{"", "?id=a"} {
		old.publish("orders", "opens a connection")
		next.way.cut.Store(cutting("/peer/v1/append", 1))
		next.way.drop()
		if id := old.publish("orders"+query, "once"); !strings.HasSuffix(id, map[int]string{0: "-2", 1: "-4"}[i]) {
			t.Errorf("%s", id)
		}
	}
	if got := next.Status().Seq; got != 4 {
		t.Errorf("%d events are stored, want 4", got)
	}
}

func TestAHubThatStartsMayBeEnded(t *testing.T) {
	s := newStream(t, nil)
	s.times.Search, s.times.Answer = time.Hour, 100*time.Millisecond
	silent := newWay(t)
	silent.silence(true)
	s.list(silent.address())
	p := s.launch()
	p.until("waiting", func() bool {
		resp, body := do(t, "GET", "http://"+p.Addrs().Admin+"/readyz", "")
		return resp.StatusCode == 503 && strings.Contains(body, "starting: "+silent.address())
	})
	p.stop()
	if err := p.gone(); err != nil {
		t.Error(err)
	}
}

// TestTwoHubsThatStartTogether holds that one of them leads, and that the other one takes over.
func TestTwoHubsThatStartTogether(t *testing.T) {
	s := newStream(t, nil)
	a, b := s.launch(), s.launch()
	b.until("one leading, one following", func() bool {
		roles := a.Status().Role + " " + b.Status().Role
		return a.Status().Epoch == b.Status().Epoch && (roles == "leading following" || roles == "following leading")
	})
}

// TestAClaimThatTheSuccessorAnswersSupersedesNobody has a leader claim its epoch from a hub that takes over in this epoch before it answers.
func TestAClaimThatTheSuccessorAnswersSupersedesNobody(t *testing.T) {
	s := newStream(t, nil)
	unknown := newWay(t) // may be a leader that does not answer
	unknown.to("127.0.0.1:1")
	s.list(unknown.address())
	s.times.Search = 300 * time.Millisecond
	old := s.ready()
	s.times.Search = patience
	way, claimed, led := newWay(t), make(chan struct{}), make(chan struct{})
	claim, lead := sync.OnceFunc(func() { close(claimed) }), sync.OnceFunc(func() { close(led) })
	t.Cleanup(lead)
	t.Cleanup(claim)
	way.cut.Store(func(request []byte) bool {
		if bytes.Contains(request, []byte("/peer/v1/superseded")) {
			claim()
			<-led
		}
		return false
	})
	old.way.cut.Store(func(request []byte) bool {
		if bytes.Contains(request, []byte("/peer/v1/take")) {
			<-claimed
		}
		return false
	})
	next := s.launchAt(way)
	next.untilRole("leading")
	lead()
	next.publish("orders", "1")
	old.until("told of the event, or superseded", func() bool { return old.Status().Seq == 1 || old.Status().Role == "superseded" })
	if got := old.Status(); got.Role != "following" || got.Epoch != next.Status().Epoch || got.Handover.Result != "given" {
		t.Errorf("%+v %+v", got, got.Handover)
	}
}

// TestAStoppedLeaderIsToldByTheNextToo has the hub that superseded it hand over before it wakes.
func TestAStoppedLeaderIsToldByTheNextToo(t *testing.T) {
	s := newStream(t, nil)
	s.times.Endpoints = time.Hour
	stopped := s.ready()
	s.times.Endpoints = 0
	// A connection that ends in place of an answer says as little as silence does, and the third hub need not wait for it while it waits for
	// the second one.
	stopped.way.to("127.0.0.1:1") // where nobody is
	stopped.way.drop()
	s.times.Search = 500 * time.Millisecond
	second := s.ready()
	s.times.Search = patience
	third := s.ready()
	if got := third.Status().Handover; got.Result != "taken_over" || got.From != second.way.address() {
		t.Errorf("%+v", got)
	}
	s.unlist(second.way.address())
	second.end()
	stopped.way.to(stopped.Addrs().Admin)
	stopped.untilRole("superseded")
	if id := stopped.publish("orders", "1"); epochOf(id) != third.Status().Epoch {
		t.Errorf("%s", id)
	}
	stopped.endsBecause("another epoch")
}
