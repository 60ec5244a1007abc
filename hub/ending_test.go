package hub_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

const waitingForSuccessor = "waiting for a hub that takes over"

// TestAnUnusedHubWaitsForNobody would take as long as Times.Successor and Times.Endpoints.
func TestAnUnusedHubWaitsForNobody(t *testing.T) {
	s := newStream(t, nil)
	s.times.Successor, s.times.Endpoints = time.Hour, time.Hour
	p := s.ready()
	subscriber := p.read("topic=orders")
	subscriber.expect("runnel-open", "live")
	subscriber.close()
	p.readersAre(0)
	if resp, body := do(t, "GET", "http://"+p.Addrs().Publish+"/v1/topics", ""); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.StatusCode, body)
	}
	p.stop()
	if err := p.gone(); err != nil {
		t.Error(err)
	}
	if strings.Contains(p.logs.String(), waitingForSuccessor) {
		t.Error("it has waited")
	}
}

func TestAUsedHubWaitsForASuccessor(t *testing.T) {
	for name, use := range map[string]func(p *pod){
		"an event":         func(p *pod) { p.publish("orders", "1") },
		"an expired event": func(p *pod) { p.publish("orders?ttl=1ns", "1") },
		"a complete topic": func(p *pod) {
			if resp, body := do(p.t, "POST", "http://"+p.Addrs().Publish+"/v1/topics/orders/complete", ""); resp.StatusCode != http.StatusOK {
				p.t.Fatal(resp.StatusCode, body)
			}
		},
		"a subscriber": func(p *pod) { p.read("topic=orders").expect("runnel-open", "live") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStream(t, nil)
			s.times.Successor = time.Hour
			old := s.ready()
			use(old)
			old.stop()
			old.until("waiting", func() bool { return strings.Contains(old.logs.String(), waitingForSuccessor) })
			s.times.Successor = 0
			next := s.ready()
			if got := next.Status(); got.Epoch != old.Status().Epoch || got.Handover.Result != "taken_over" {
				t.Errorf("%+v %+v", got, got.Handover)
			}
			if err := old.gone(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAnUnusedHubThatEndsStoresNothing publishes in the moment of the end: what is stored is waited with, and all else is not answered by
// 200.
func TestAnUnusedHubThatEndsStoresNothing(t *testing.T) {
	for range 20 {
		s := newStream(t, nil)
		p := s.ready()
		stored := make(chan bool, 1)
		go func() {
			resp, _, err := tryDo("POST", "http://"+p.Addrs().Publish+"/v1/topics/orders", "1")
			stored <- err == nil && resp.StatusCode == http.StatusOK
		}()
		p.stop()
		if err := p.gone(); err != nil {
			t.Error(err)
		}
		if is, waited := <-stored, strings.Contains(p.logs.String(), waitingForSuccessor); is && !waited {
			t.Error("an event is lost with a hub that has waited for nobody")
		}
	}
}

// TestADrainEndsWithinTheGracePeriod has a window that became longer than the time that the pod has.
func TestADrainEndsWithinTheGracePeriod(t *testing.T) {
	const stall = 100 * time.Millisecond
	o := hub.Options{StallTimeout: stall, GracePeriod: stall + 11*time.Second} // of which 10 s are kept for what is in flight
	s := startWith(t, o, nil)
	subscribers := []*reader{s.read("topic=orders"), s.read("topic=orders"), s.read("topic=orders")}
	for _, c := range subscribers {
		c.expect("runnel-open", "live")
	}
	longer := base()
	longer.Drain.Window = config.Duration(10 * time.Minute)
	if err := s.Reload(longer); err != nil {
		t.Fatal(err)
	}
	s.stop()
	for _, c := range subscribers {
		c.expect("runnel-close", `"drain"`)
		c.ends()
	}
	s.end()
}
