// Package hub is the server of one EventStream: publishers POST events to it, readers get them as Server-Sent Events. It puts
// HTTP around the log, the fan-out and the rules of who may do what.
package hub

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/eventlog"
	"github.com/runnel-dev/runnel/hub/fanout"
	"github.com/runnel-dev/runnel/hub/peer"
	"github.com/runnel-dev/runnel/hub/process"
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
	// OtherReferences returns what entries hold that are not in the directory, nil for those that it does not know. New, Reload and Refresh
	// call it. Nil knows none.
	OtherReferences func(config.Reference) []byte
	// Refused is called with each request that is refused, and each line of a batch. It must not wait. Nil is nobody.
	Refused func(Refusal)
	// Version is the hub's own, for logs and metrics.
	Version string
	// Process is what the process may take; a limit on readers is made of it where the configuration has none. The zero value knows of
	// no limits.
	Process process.Limits
	// StallTimeout is how long a connection may take for 64 KiB before it is cut. Zero is DefaultStallTimeout.
	StallTimeout time.Duration

	// PeerToken is the file with the token that the hub shows to the stream's other hubs, PodIP the address by which they know it, and
	// Nameserver, as host:port, who knows theirs; an empty one is the system's. A hub without token or address takes nothing over and
	// hands nothing over. PodUID is that of the pod, by which a configuration names its first hub; without one, the hub is never that.
	PeerToken, PodIP, PodUID, Nameserver string

	// GracePeriod is the time that the process has from its SIGTERM on, which a drain is shortened to; zero is any.
	GracePeriod time.Duration

	// Portable serves every connection by a goroutine of its own, as encrypted ones are.
	Portable bool

	now           func() time.Time // nil is time.Now; it keeps the time of credentials alone
	linger        time.Duration    // of events that their topic has no more room for; zero is eventlog.Linger
	headers, body time.Duration    // zero are headerTimeout and bodyTimeout
	last          time.Duration    // zero is lastRequestsTimeout
	resolver      peer.Resolver    // nil is DNS
	times         *peerTimes       // nil are usualTimes
	self          string           // the address that peers are told; empty is that of the pod
}

// DefaultStallTimeout is longer than a phone is silent in a tunnel, and short enough that a dead connection does not keep its
// batch of events for long.
const DefaultStallTimeout = 30 * time.Second

// Hub serves one stream. It is made by New and runs in Run.
type Hub struct {
	log     *eventlog.Memory
	pool    *fanout.Pool
	metrics *metrics
	notices *notices
	logger  *slog.Logger
	now     func() time.Time // of credentials
	stall   time.Duration
	// headers and body bound how long a client may take to send them, last how long the last requests are waited for.
	headers, body, last time.Duration

	grace      time.Duration // zero is any
	portable   bool
	version    string
	process    process.Limits
	references reference.Dir
	remote     *auth.RemoteKeys
	// certificate is nil when the ports for readers and publishers are in clear text. Which of both is decided at the start: a port
	// that changed while it is open would cut clients off or, worse, serve in clear text what was encrypted.
	certificate *certificate
	reload      sync.Mutex     // one Reload or Refresh at a time; guards wanted
	wanted      *config.Config // the newest that is valid
	state       atomic.Pointer[state]
	troubles    troubles

	peers *peers // nil when the hub stands alone
	// forwards ends what is passed on to another hub; forwarded counts events that were given an id for that.
	forwards    context.Context
	endForwards context.CancelFunc
	forwarded   atomic.Uint64

	// leaving says that the hub is not ready any more, draining that it closes its readers.
	leaving, draining atomic.Bool
	taken             atomic.Int64 // connections that count against the limit
	identities        identities
	conversations     conversations
	turningAway       episode
	rates             rates
	forgeries         forgeries
	suggestions       *rate.Limiter
	batches           sync.Pool // of *batch

	subscribe, publish, admin net.Listener
}

// New listens and returns a hub that serves as soon as it runs. Run must be called, since it closes what New opened.
func New(o Options) (*Hub, error) {
	h := &Hub{
		logger: o.Logger, now: o.now, stall: cmp.Or(o.StallTimeout, DefaultStallTimeout),
		headers: cmp.Or(o.headers, headerTimeout), body: cmp.Or(o.body, bodyTimeout), last: cmp.Or(o.last, lastRequestsTimeout),
		wanted: o.Config, process: o.Process, version: o.Version,
		grace: o.GracePeriod, portable: o.Portable, references: reference.In(o.References).Or(o.OtherReferences), remote: auth.NewRemoteKeys(o.Logger, o.now),
		forgeries: newForgeries(), suggestions: newSuggestions(),
	}
	h.notices = newNotices()
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	if o.Config.TLS != nil {
		h.certificate = &certificate{logger: h.logger}
	}
	s, err := h.newState(o.Config)
	if err != nil {
		return nil, err
	}
	if err := h.listen(o); err != nil {
		return nil, err
	}
	h.log = eventlog.NewMemory(s.rules, o.Config.Retention.Bytes, cmp.Or(o.linger, eventlog.Linger))
	h.metrics = newMetrics(h)
	h.metrics.refused = o.Refused
	if h.pool, err = fanout.New(h.log, settingsOf(o.Config, h.stall), observer{h.metrics, h.notices}); err != nil {
		return nil, errors.Join(err, h.subscribe.Close(), h.publish.Close(), h.admin.Close())
	}
	h.forwards, h.endForwards = context.WithCancel(context.Background())
	if h.peers, err = h.newPeers(o); err != nil {
		h.endForwards()
		h.pool.Close()
		return nil, errors.Join(err, h.subscribe.Close(), h.publish.Close(), h.admin.Close())
	}
	h.put(s)
	return h, nil
}

// Addrs are where a hub listens.
type Addrs struct{ Subscribe, Publish, Admin string }

// Addrs returns where the hub listens, with the ports that were picked.
func (h *Hub) Addrs() Addrs {
	return Addrs{h.subscribe.Addr().String(), h.publish.Addr().String(), h.admin.Addr().String()}
}
