package hub

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/event"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
	"github.com/runnel-dev/runnel/hub/follow"
	"github.com/runnel-dev/runnel/hub/peer"
	"github.com/runnel-dev/runnel/hub/reference"
)

// state is what a configuration, and what it refers to, decide. It is replaced as a whole.
type state struct {
	config      *config.Config
	hash        string
	rules       []eventlog.Rule
	publishers  *auth.Publishers
	subscribers *auth.Subscribers
	peers       *auth.Peers      // nil when the hub stands alone
	certificate *tls.Certificate // nil when there is none to show
	connections int              // readers at a time; 0 is any number
	others      int              // connections of each port that are no subscribers', at a time; 0 is any number

	withoutTLS []string           // of what a certificate takes, what is missing
	seen       reference.Snapshot // what references hold
	used       reference.Snapshot // the same, but for certificates and sets of keys of no use that were better before
	invalid    []auth.Invalid     // in seen
}

// newState reads a configuration, and what it refers to. A certificate or a set of public keys that has become of no use stays what
// it was in the state that runs: a slip takes nothing from anybody, and stops nothing else. A credential is given up at once,
// whether it is missing or of no use, since what was there before may be known to others.
func (h *Hub) newState(c *config.Config) (*state, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	seen := h.references.Snapshot(c.References())
	s, err := h.makeState(c, seen)
	old := h.state.Load()
	if err != nil || len(s.invalid) == 0 || old == nil {
		return s, err
	}
	invalid := s.invalid
	if s, err = h.makeState(c, seen.Except(old.used, kept(c, invalid))); err != nil {
		return nil, err
	}
	s.seen, s.invalid = seen, invalid
	return s, nil
}

func (h *Hub) makeState(c *config.Config, held reference.Snapshot) (*state, error) {
	rules, err := rulesOf(c)
	if err != nil {
		return nil, err
	}
	publishers, err := auth.NewPublishers(c.Auth.Publishers, c.Auth.Issuers, held.Read)
	if err != nil {
		return nil, err
	}
	subscribers, err := auth.NewSubscribers(c, held.Read, h.remote)
	if err != nil {
		return nil, err
	}
	out := &state{
		config: c, hash: config.Hash(c), rules: rules, publishers: publishers, subscribers: subscribers,
		connections: h.process.Connections(h.use(c)), seen: held, used: held, invalid: slices.Concat(publishers.Invalid(), subscribers.Invalid()),
	}
	out.others = h.process.Others(out.connections)
	if c.Peers != nil {
		if out.peers, err = auth.NewPeers(*c.Peers, c.Stream.Namespace, c.Auth.Issuers); err != nil {
			return nil, err
		}
	}
	if h.certificate != nil && c.TLS != nil {
		var invalid []auth.Invalid
		out.certificate, out.withoutTLS, invalid = readPair(*c.TLS, held)
		out.invalid = append(out.invalid, invalid...)
	}
	return out, nil
}

// kept are those references of no use that stay what they were.
func kept(c *config.Config, invalid []auth.Invalid) (all []config.Reference) {
	credentials := c.Credentials()
	for _, i := range invalid {
		if !slices.Contains(credentials, i.Reference) {
			all = append(all, i.Reference)
		}
	}
	return all
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

func settingsOf(c *config.Config, stall time.Duration) fanout.Settings {
	return fanout.Settings{
		Heartbeat: c.Heartbeat.Interval.D(), HeartbeatMinimum: c.Heartbeat.Minimum.D(),
		Delay: c.Reconnect.Delay.D(), MaxAge: c.Reconnect.MaxConnectionAge.D(), Stall: stall,
	}
}

// missing names what the hub waits for. Keys that issuers publish come and go while a state runs.
func (s *state) missing() []string {
	return slices.Concat(s.withoutTLS, s.publishers.Missing(), s.subscribers.Missing())
}

// Reload replaces the configuration; no connection is lost, except those of readers whose topics or grants are gone. When it fails,
// the hub goes on with the one that it has, and says so on its admin port.
func (h *Hub) Reload(c *config.Config) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	s, err := h.newState(c)
	if err != nil {
		h.Refuse(err)
		return err
	}
	h.wanted = c
	h.troubles.refused(nil)
	h.peers.named(c.Peers)
	h.put(s)
	return nil
}

// Refresh reads what the configuration refers to anew; no connection is lost, except those of readers who may no longer read. The
// error names what is of no use and why; all else is taken up, and the admin port says the same.
func (h *Hub) Refresh() error {
	h.reload.Lock()
	defer h.reload.Unlock()
	s, err := h.newState(h.wanted)
	if err != nil {
		return err
	}
	h.put(s)
	return s.unusable()
}

// Refuse notes that a newer configuration exists and could not be used. The admin port says so until one is loaded.
func (h *Hub) Refuse(err error) {
	h.troubles.refused(err)
	h.metrics.reloaded(h.troubles.text() == "")
	h.logger.Error("configuration refused, the one before stays", "error", err)
}

// Watched notes that a change of the configuration, or of what that refers to, is noticed late, since the system cannot watch for it;
// nil notes that it can again. The admin port says so; the hub goes on all the same.
func (h *Hub) Watched(err error) {
	h.troubles.watched(err)
	if err != nil {
		h.logger.Warn("changes are noticed late, they cannot be watched for", "error", err, "interval", follow.PollInterval.String())
		return
	}
	h.logger.Info("changes are noticed at once again")
}

// put makes a state the one that runs, unless it is no other.
func (h *Hub) put(s *state) {
	old := h.state.Load()
	h.troubles.unusable(s.unusable())
	h.metrics.reloaded(h.troubles.text() == "")
	if old != nil && s.hash == old.hash && s.seen.Equal(old.seen) {
		return
	}
	h.state.Store(s)
	h.metrics.declare(s.rules)
	if h.certificate != nil {
		h.certificate.put(s.certificate)
	}
	h.remote.Follow(s.subscribers.KeySources())
	for _, i := range s.invalid {
		h.logger.Error("a reference is of no use", "reference", i.Reference.String(), "error", i.Err, "meanwhile", s.meanwhile(i))
	}
	if wanted := s.config.Limits.ConnectionsPerHub; wanted > s.connections {
		h.logger.Warn("limits.connectionsPerHub is more than there are descriptors for, fewer readers are let in", "wanted", wanted, "connections", s.connections, "descriptors", h.process.Descriptors)
	}
	if missing := s.missing(); len(missing) > 0 && (old == nil || !slices.Equal(missing, old.missing())) {
		h.logger.Warn("the hub waits for what is missing", "missing", missing)
	}
	if old == nil {
		return
	}
	if s.hash != old.hash {
		if !h.peers.is(peer.Starting) { // a log that is being copied has the rules of the other, and these as soon as it is there
			h.log.Configure(s.rules, s.config.Retention.Bytes)
		}
		h.pool.Configure(settingsOf(s.config, h.stall))
	}
	h.pool.EndRemoved()
	h.logger.Info("configuration loaded", "hash", s.hash, "topics", len(s.config.Topics), "references", len(s.seen))
}

// unusable names what is of no use, or is nil.
func (s *state) unusable() error {
	var all []error
	for _, i := range s.invalid {
		all = append(all, fmt.Errorf("%w; until that is mended, %s", i, s.meanwhile(i)))
	}
	return errors.Join(all...)
}

// meanwhile says what becomes of an entry of no use.
func (s *state) meanwhile(i auth.Invalid) string {
	if slices.Contains(s.config.Credentials(), i.Reference) {
		return "nobody gets in by it"
	}
	return "what was there before is used, if anything was"
}
