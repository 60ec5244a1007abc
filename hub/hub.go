// Package hub is the server of one EventStream: publishers POST events to it, readers get them as Server-Sent Events. It puts
// HTTP around the log, the fan-out and the rules of who may do what.
package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
	"github.com/runnel-dev/runnel/hub/reference"
)

// Options of a hub. Port 0 in an address picks a free port.
type Options struct {
	// Config is what the hub is told, valid by Config.Validate.
	Config *config.Config
	// SubscribeAddr, PublishAddr and AdminAddr are where it listens, as host:port.
	SubscribeAddr, PublishAddr, AdminAddr string
	// Logger takes what a person on duty wants to read. Nil is silence.
	Logger *slog.Logger
	// References is the directory with what the configuration refers to, as config.ReferencesDir says; empty is none.
	References string
	// StallTimeout is how long a connection may take for 64 KiB before it is cut. Zero is DefaultStallTimeout.
	StallTimeout time.Duration

	now func() time.Time // nil is time.Now; it keeps the time of credentials alone
}

// DefaultStallTimeout is longer than a phone is silent in a tunnel, and short enough that a dead connection does not keep its
// batch of events for long.
const DefaultStallTimeout = 30 * time.Second

// Hub serves one stream. It is made by New and runs in Run.
type Hub struct {
	log     *eventlog.Memory
	pool    *fanout.Pool
	metrics *metrics
	logger  *slog.Logger
	stall   time.Duration

	state    atomic.Pointer[state]
	reload   sync.Mutex // one Reload at a time
	refused  atomic.Pointer[string]
	draining atomic.Bool
	taken    atomic.Int64 // connections that count against the limit

	references reference.Dir
	remote     *auth.RemoteKeys
	identities identities

	subscribe, publish, admin net.Listener
}

// state is what a configuration decides, replaced as a whole.
type state struct {
	config      *config.Config
	hash        string
	publishers  *auth.Publishers
	subscribers *auth.Subscribers
}

// New listens and returns a hub that serves as soon as it runs. Run must be called, since it closes what New opened.
func New(o Options) (*Hub, error) {
	references, remote := reference.In(o.References), auth.NewRemoteKeys(o.Logger, o.now)
	s, err := newState(o.Config, references, remote)
	if err != nil {
		return nil, err
	}
	rules, err := rulesOf(o.Config)
	if err != nil {
		return nil, err
	}
	h := &Hub{logger: o.Logger, stall: o.StallTimeout, references: references, remote: remote}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	if h.stall == 0 {
		h.stall = DefaultStallTimeout
	}
	if err := h.listen(o); err != nil {
		return nil, err
	}
	h.state.Store(s)
	h.log = eventlog.NewMemory(rules, o.Config.Retention.Bytes)
	h.metrics = newMetrics(h)
	h.pool = fanout.New(h.log, settingsOf(o.Config), h.metrics)
	h.remote.Follow(s.subscribers.KeyURLs())
	return h, nil
}

func newState(c *config.Config, references reference.Dir, remote *auth.RemoteKeys) (*state, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	publishers, err := auth.NewPublishers(c.Auth.Publishers)
	if err != nil {
		return nil, err
	}
	subscribers, err := auth.NewSubscribers(c, references.Read, remote)
	if err != nil {
		return nil, err
	}
	return &state{config: c, hash: config.Hash(c), publishers: publishers, subscribers: subscribers}, nil
}

func rulesOf(c *config.Config) (rules []eventlog.Rule, err error) {
	for _, t := range c.Topics {
		sel, err := event.ParseSelector(t.Name)
		if err != nil {
			return nil, err
		}
		rules = append(rules, eventlog.Rule{Selector: sel, Events: t.Events, Age: t.Age.D()})
	}
	return rules, nil
}

func settingsOf(c *config.Config) fanout.Settings {
	return fanout.Settings{Heartbeat: c.Heartbeat.Interval.D(), Delay: c.Reconnect.Delay.D(), MaxAge: c.Reconnect.MaxConnectionAge.D()}
}

// Reload replaces the configuration; no connection is lost, except those of readers whose topics or grants are gone. When it fails, the
// hub goes on with the one that it has, and says so on its admin port.
func (h *Hub) Reload(c *config.Config) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	s, err := newState(c, h.references, h.remote)
	if err != nil {
		h.Refuse(err)
		return err
	}
	rules, err := rulesOf(c)
	if err != nil {
		h.Refuse(err)
		return err
	}
	h.refused.Store(nil)
	h.metrics.reloaded(true)
	if s.hash == h.state.Load().hash {
		return nil
	}
	h.state.Store(s)
	h.remote.Follow(s.subscribers.KeyURLs())
	h.log.Configure(rules, c.Retention.Bytes)
	h.pool.Configure(settingsOf(c))
	h.pool.EndRemoved()
	h.logger.Info("configuration loaded", "hash", s.hash, "topics", len(c.Topics))
	return nil
}

// Refuse notes that a newer configuration exists and could not be used. The admin port says so until one is loaded.
func (h *Hub) Refuse(err error) {
	text := err.Error()
	h.refused.Store(&text)
	h.metrics.reloaded(false)
	h.logger.Error("configuration refused, the one before stays", "error", err)
}

// Addrs are where a hub listens.
type Addrs struct{ Subscribe, Publish, Admin string }

// Addrs returns where the hub listens, with the ports that were picked.
func (h *Hub) Addrs() Addrs {
	return Addrs{h.subscribe.Addr().String(), h.publish.Addr().String(), h.admin.Addr().String()}
}

func (h *Hub) listen(o Options) error {
	var opened []net.Listener
	for _, l := range []struct {
		name, addr string
		into       *net.Listener
	}{{"subscribe", o.SubscribeAddr, &h.subscribe}, {"publish", o.PublishAddr, &h.publish}, {"admin", o.AdminAddr, &h.admin}} {
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			for _, open := range opened {
				err = errors.Join(err, open.Close())
			}
			return fmt.Errorf("cannot listen for %s: %w", l.name, err)
		}
		*l.into = ln
		opened = append(opened, ln)
	}
	return nil
}
