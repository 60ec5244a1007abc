package hub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
)

// TestAChainOfHandovers has five hubs follow each other while all that came before still have readers.
func TestAChainOfHandovers(t *testing.T) {
	s := newStream(t, func(c *config.Config) { c.Drain.Window = 0 })
	s.times.Endpoints = time.Hour
	var pods []*pod
	var readers []*reader
	for i := range 6 {
		if i == 5 {
			s.times.Endpoints = 0
		}
		p := s.ready()
		pods = append(pods, p)
		c := p.read("topic=orders")
		c.expect("runnel-open", "live")
		readers = append(readers, c)
		if i > 0 {
			pods[i-1].stop() // and it goes on serving
		}
		for _, by := range pods {
			text := fmt.Sprintf("%d by %s", i, by.way.address())
			by.publish("orders", text)
			for _, c := range readers {
				c.expect("", text)
			}
		}
	}
	last := pods[5]
	for _, p := range pods[:5] {
		p.until("following the last one", func() bool { return p.Status().Leader == last.way.address() })
		if got := p.Status(); got.Epoch != last.Status().Epoch || got.Role != "following" {
			t.Errorf("%+v", got)
		}
	}
	for _, c := range readers[1:] { // each may go on anywhere else
		if c.lastID != readers[0].lastID {
			t.Errorf("%s and %s", c.lastID, readers[0].lastID)
		}
	}
	for _, p := range pods {
		again := p.read("topic=orders", "Last-Event-ID", readers[0].lastID)
		again.expect("runnel-open", `"exact"`)
		again.close()
		if resp, _ := do(t, "GET", "http://"+p.Addrs().Admin+"/readyz", ""); (resp.StatusCode == http.StatusOK) != (p == last) {
			t.Errorf("%s is ready: %d", p.way.address(), resp.StatusCode)
		}
	}
	for _, p := range pods[:5] {
		p.endNow()
	}
}

// TestAFollowerTakesAllThatIsPublished goes through each way to publish at a hub that has handed over.
func TestAFollowerTakesAllThatIsPublished(t *testing.T) {
	s := newStream(t, func(c *config.Config) { c.Limits.MaxEventSize = 64 << 10 })
	old, next := s.ready(), s.ready()
	old.untilRole("following")
	c := old.read("topic=" + ">")
	c.expect("runnel-open", "live")
	base := "http://" + old.Addrs().Publish
	for _, one := range []struct {
		name, path, body, want string
		status                 int
		header                 []string
	}{
		{"raw", "/v1/topics/orders?id=a", "1", `"duplicate":false`, 200, nil},
		{"the same again", "/v1/topics/orders?id=a", "1", `"duplicate":true`, 200, nil},
		{"another with its id", "/v1/topics/orders?id=a", "2", "key_reused", 422, nil},
		{"undeclared", "/v1/topics/nothing", "2", "topic_not_declared", 404, nil},
		{"document", "/v1/publish", `{"topic":"orders","type":"error","data":"2"}`, `"id"`, 200, []string{"Content-Type", "application/json"}},
		{"in topics", "/v1/publish", `{"topics":["orders","prices.a"],"data":"3"}`, `"results":[{"id"`, 200, []string{"Content-Type", "application/json"}},
		{"lines", "/v1/publish", `{"topic":"orders","data":"4"}` + "\n{}\n" + `{"topic":"orders","data":"5","id":"x"}` + "\n" + `{"topic":"no","data":"5"}`,
			`"index":3,"error":`, 200, []string{"Content-Type", linesType}},
		{"CloudEvents", "/v1/cloudevents", `[{"specversion":"1.0","id":"1","source":"s","type":"orders","data":6},{"specversion":"1.0","id":"2","source":"s","type":"orders","data":7}]`,
			"", 202, []string{"Content-Type", "application/cloudevents-batch+json"}},
		{"CloudEvents again", "/v1/cloudevents", `[{"specversion":"1.0","id":"1","source":"s","type":"orders","data":6}]`, "", 202, []string{"Content-Type", "application/cloudevents-batch+json"}},
		{"large", "/v1/topics/orders", strings.Repeat("x", 60<<10), `"id"`, 200, nil},
	} {
		resp, body := do(t, "POST", base+one.path, one.body, one.header...)
		if resp.StatusCode != one.status || !strings.Contains(body, one.want) {
			t.Errorf("%s: %d %s", one.name, resp.StatusCode, body)
		}
	}
	for _, want := range []string{"1", "2", "3", "3", "4", "5", "6", "7", "xxx"} {
		e, ok := c.next()
		if !ok || !strings.HasPrefix(e.data, want) {
			t.Fatalf("%+v, want %s", e, want)
		}
	}
	if got, want := next.Status().Seq, uint64(9); got != want {
		t.Errorf("%d events are stored, want %d", got, want)
	}
	if resp, body := do(t, "GET", base+"/v1/topics/orders", ""); resp.StatusCode != 200 || !strings.Contains(body, `"depth":8`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	ends := old.read("topic=prices.a")
	ends.expect("runnel-open", "live")
	if resp, body := do(t, "POST", base+"/v1/topics/prices.a/complete", ""); resp.StatusCode != 200 || !strings.Contains(body, `"id":"`+c.lastID) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	ends.expect("runnel-close", "complete")
	if resp, body := do(t, "POST", base+"/v1/topics/prices.a", "late"); resp.StatusCode != 409 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, body := do(t, "POST", base+"/v1/topics/prices.b/complete", "with a last event"); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	c.expect("", "with a last event")
}

// TestAReaderMayBeAheadOfACopy holds that a follower which has not got as far as a reader's cursor waits until it has.
func TestAReaderMayBeAheadOfACopy(t *testing.T) {
	s := newStream(t, nil)
	old, next := s.ready(), s.ready()
	old.untilRole("following")
	old.publish("orders", "1")
	next.way.silence(true) // the copy stands still
	ahead := next.publish("orders", "2")
	got := make(chan *reader, 1)
	go func() { got <- old.read("topic=orders", "Last-Event-ID", ahead) }()
	next.way.silence(false)
	c := <-got
	c.expect("runnel-open", `"exact"`)
	next.publish("orders", "3")
	c.expect("", "3")
	unknown, _ := event.ParseID(ahead)
	unknown.Seq += 1000
	c = next.read("topic=orders", "Last-Event-ID", unknown.String()) // who appends knows all its ids
	c.expect("runnel-open", `"gap"`)
}

func TestSIGTERMWaitsForASuccessor(t *testing.T) {
	s := newStream(t, nil)
	s.times.Successor = time.Hour
	old := s.ready()
	c := old.read("topic=orders")
	c.expect("runnel-open", "live")
	old.stop()
	old.until("told to end", func() bool { return strings.Contains(old.logs.String(), "waiting for a hub that takes over") })
	old.publish("orders", "still here")
	c.expect("", "still here")
	if resp, _ := do(t, "GET", "http://"+old.Addrs().Admin+"/readyz", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("the only hub says %d", resp.StatusCode)
	}
	s.times.Successor = 0
	next := s.ready()
	c.expect("runnel-close", "drain")
	if err := old.gone(); err != nil {
		t.Error(err)
	}
	again := next.read("topic=orders", "Last-Event-ID", c.lastID)
	again.expect("runnel-open", `"exact"`)
}

func TestALeaderThatEndsOffersTheRightBack(t *testing.T) {
	s := newStream(t, nil)
	old := s.ready()
	s.times.Successor = patience
	next := s.ready()
	s.times.Successor = 0
	c := old.read("topic=orders")
	c.expect("runnel-open", "live")
	old.publish("orders?id=1", "one")
	e := c.expect("", "one")
	next.stop() // a rollout that is undone
	if err := next.gone(); err != nil {
		t.Error(err)
	}
	old.untilRole("leading")
	if got := old.Status(); got.Handover.Result != "taken_over" || got.Handover.From != next.way.address() {
		t.Errorf("%+v", got.Handover)
	}
	if resp, body := do(t, "POST", "http://"+old.Addrs().Publish+"/v1/topics/orders?id=1", "one"); resp.StatusCode != 200 || !strings.Contains(body, e.id) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	old.publish("orders", "two")
	if after := c.expect("", "two"); epochOf(after.id) != epochOf(e.id) {
		t.Errorf("%s follows %s", after.id, e.id)
	}
	third := s.ready() // and on it goes
	third.publish("orders", "three")
	c.expect("", "three")
}

func TestReloadsDuringHandovers(t *testing.T) {
	s := newStream(t, nil)
	old, next := s.ready(), s.ready()
	old.untilRole("following")
	keeps, loses := old.read("topic=orders"), old.read("topic=last")
	keeps.expect("runnel-open", "live")
	loses.expect("runnel-open", "live")
	old.publish("orders", "before")
	keeps.expect("", "before")
	change := func(c *config.Config) *config.Config {
		s.configure(c)
		c.Topics = append(c.Topics, config.Topic{Name: "new", Events: 5, Age: config.Duration(time.Hour)})
		c.Topics = append(c.Topics[:1], c.Topics[2:]...) // without "last"
		c.Retention.Bytes /= 2
		return c
	}
	for _, p := range []*pod{next, old} {
		if err := p.Reload(change(base())); err != nil {
			t.Fatal(err)
		}
	}
	loses.expect("runnel-close", "gone")
	added := old.read("topic=new")
	added.expect("runnel-open", "live")
	old.publish("new", "declared")
	added.expect("", "declared")
	old.publish("orders", "after")
	keeps.expect("", "after")
	third := s.launch()
	third.untilRole("leading") // with its own, which is the first again
	third.publish("last", "declared again")
	old.publish("orders", "on and on")
	keeps.expect("", "on and on")
}
