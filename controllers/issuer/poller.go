// Package issuer learns who issues the cluster's ServiceAccount tokens and by which keys, so that hubs can check publishers'
// tokens by themselves and never call the API server.
package issuer

import (
	"context"
	"reflect"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/hub/config"
)

const (
	// interval between polls. A new key must reach the hubs before tokens are signed by it are long in use; clusters publish
	// it with the first such token at the latest, and publishers try again.
	interval = 5 * time.Minute

	// firstInterval between polls until one succeeds: streams wait for it.
	firstInterval = 2 * time.Second

	// failedInterval between polls after one failed that followed a success. As every interval after the first success is at
	// least a minute, so is the time between two rewrites of all configurations.
	failedInterval = time.Minute

	// patience is the number of failed first polls after which streams no longer wait.
	patience = 3

	// timeout of one poll.
	timeout = 10 * time.Second
)

// Source reads what a cluster says about its tokens: the issuer's URL, and its public keys as JSON Web Keys (RFC 7517).
type Source interface {
	Read(ctx context.Context) (url string, keys []Key, err error)
}

// State is what is known of the cluster's issuers.
type State struct {
	// Issuers sorted by URL, with keys sorted by id. More than one while keys of an earlier issuer are kept.
	Issuers []config.Issuer
	// Pending: no poll has succeeded yet, and it is too early to go on without.
	Pending bool
	// Err is why there are no Issuers, once it is no longer Pending.
	Err error
}

// Poller polls a Source as long as it runs. It is a Runnable of a manager. Keys live in its memory only: those that vanished
// while no operator ran are not kept for the hour that others are.
type Poller struct {
	source  Source
	changed chan event.TypedGenericEvent[State]

	mu    sync.Mutex
	state State
}

// NewPoller makes a poller that is Pending until it is started.
func NewPoller(source Source) *Poller {
	return &Poller{
		source: source,
		// One event that waits says all: readers ask State for what is the case.
		changed: make(chan event.TypedGenericEvent[State], 1),
		state:   State{Pending: true},
	}
}

// State returns what is known now. It can be called by many at once; the result is not to be changed.
func (p *Poller) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Changed tells that State has changed since the last time it told so. It is for one reader.
func (p *Poller) Changed() <-chan event.TypedGenericEvent[State] { return p.changed }

// NeedLeaderElection says that every replica polls, so that a new leader knows the keys at once.
func (p *Poller) NeedLeaderElection() bool { return false }

// Start polls until the context ends, and then returns nil.
func (p *Poller) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("issuer")
	known, failures := keyset{}, 0
	for {
		next := interval
		err := p.poll(ctx, known)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			failures = 0
			p.publish(State{Issuers: known.issuers()})
		default:
			failures++
			logger.Error(err, "The cluster's token issuer could not be read", "failures", failures)
			next = failedInterval
			if len(known) == 0 {
				next = firstInterval
				p.publish(State{Pending: failures < patience, Err: err})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
	}
}

func (p *Poller) poll(ctx context.Context, known keyset) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	url, keys, err := p.source.Read(ctx)
	if err != nil {
		return err
	}
	known.merge(url, keys, time.Now())
	return nil
}

// publish makes s the state, and tells it if that is a change for a stream. An error that only reads differently is none.
func (p *Poller) publish(s State) {
	p.mu.Lock()
	before := p.state
	p.state = s
	p.mu.Unlock()
	if before.Pending == s.Pending && reflect.DeepEqual(before.Issuers, s.Issuers) {
		return
	}
	select {
	case p.changed <- event.TypedGenericEvent[State]{Object: s}:
	default: // one waits already
	}
}
