package hub_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

func TestReloadLosesNoConnection(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", "orders"))
	gone := s.read(q("topic", "last"))
	c.expect("runnel-open", "live")
	gone.expect("runnel-open", "live")
	hash := s.Status().ConfigHash

	next := base()
	next.Topics = []config.Topic{{Name: "orders", Events: 2, Age: config.Duration(time.Hour)}, {Name: "new", Events: 1, Age: config.Duration(time.Hour)}}
	next.Limits.MaxEventSize = 1 << 10
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	if got := s.Status().ConfigHash; got == hash || got != config.Hash(next) {
		t.Errorf("hash %s", got)
	}
	if e := gone.expect("runnel-close", `"gone"`); !strings.Contains(e.data, `"reconnect":false`) {
		t.Errorf("%+v", e)
	}
	gone.ends()
	if resp, _ := do(t, "GET", s.url("topic=last"), ""); resp.StatusCode != 404 {
		t.Errorf("a removed topic: %d", resp.StatusCode)
	}
	s.publish("new", "x")
	s.publish("orders", "goes on")
	c.expect("", "goes on")
	if resp, _ := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders", strings.Repeat("x", 2<<10)); resp.StatusCode != 413 {
		t.Errorf("the new limit: %d", resp.StatusCode)
	}
}

func TestRefusedConfigurationIsReportedAndChangesNothing(t *testing.T) {
	s := start(t, nil)
	hash := s.Status().ConfigHash
	bad := base()
	bad.Heartbeat.Interval = config.Duration(time.Millisecond)
	if err := s.Reload(bad); err == nil || !strings.Contains(err.Error(), "heartbeat.interval") {
		t.Errorf("%v", err)
	}
	if got := s.Status(); got.ConfigHash != hash || !strings.Contains(got.ConfigError, "heartbeat.interval") {
		t.Errorf("%+v", got)
	}
	if got := metrics(t, s); !strings.Contains(got, "runnel_hub_config_last_load_successful 0") || !strings.Contains(got, `runnel_hub_config_info{hash="`+hash+`"} 1`) {
		t.Error(got)
	}
	s.Refuse(errors.New("unreadable"))
	if err := s.Reload(base()); err != nil || s.Status().ConfigError != "" {
		t.Errorf("%v, %+v", err, s.Status())
	}
	if got := metrics(t, s); !strings.Contains(got, "runnel_hub_config_last_load_successful 1") {
		t.Error(got)
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, c := range map[string]struct {
		change func(*hub.Options)
		want   string
	}{
		"config":  {func(o *hub.Options) { o.Config.Topics = nil }, "topics"},
		"address": {func(o *hub.Options) { o.PublishAddr = taken.Addr().String() }, "cannot listen for publish"},
	} {
		o := hub.Options{Config: base(), SubscribeAddr: "127.0.0.1:0", PublishAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0"}
		c.change(&o)
		if _, err := hub.New(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAdmin(t *testing.T) {
	s := start(t, nil)
	s.publish("orders", "x")
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ok\n",
		"/status":  `"topics":[{"name":"last","events":0},{"name":"orders","events":1},{"name":"prices.*","events":0}]`,
		"/metrics": `runnel_hub_published_events_total{topic="orders"} 1`,
	} {
		if resp, body := do(t, "GET", "http://"+s.Addrs().Admin+path, ""); resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, _ := do(t, "POST", "http://"+s.Addrs().Admin+"/status", ""); resp.StatusCode != 405 {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

func TestFailuresOfWatchingAreNoRefusedConfiguration(t *testing.T) {
	s := start(t, nil)
	s.Watched(errors.New("too many open files"))
	got := s.Status()
	if got.ConfigError != "" || got.WatchError != "changes are noticed within 10s, since they cannot be watched for: too many open files" {
		t.Errorf("%+v", got)
	}
	if m := metrics(t, s); !strings.Contains(m, "runnel_hub_config_last_load_successful 1") {
		t.Error(m)
	}
	s.Watched(nil)
	if got := s.Status().WatchError; got != "" {
		t.Errorf("still %q", got)
	}
}
