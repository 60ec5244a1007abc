package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// refreshInterval is how old fetched keys become when their server does not say how long they may be kept.
	refreshInterval = 10 * time.Minute
	// minRefresh and maxRefresh bound what a server says: not to be asked all the time, and to notice a key that was withdrawn.
	minRefresh = time.Minute
	maxRefresh = time.Hour
	// firstRetry after a fetch that failed; it doubles up to minRefresh.
	firstRetry = time.Second
	// maxKeyAge is how long keys are good while they cannot be fetched again: long enough to mend the issuer in office hours, and
	// no longer than a day, as with the tokens of ServiceAccounts.
	maxKeyAge = 24 * time.Hour
	// unknownInterval is how often, at most, keys that are not known cause a fetch, so that nobody can make this hub a flood.
	unknownInterval = 30 * time.Second
	// unknownWait is how long a reader waits for the fetch that the key of its token or ticket has caused.
	unknownWait = 5 * time.Second
	// maxAbsent is how many keys are remembered as not there between two fetches.
	maxAbsent = 64
)

// RemoteKeys are the key sets that issuers publish at URLs. It fetches each URL that is followed in the background, keeps what it
// got while the issuer cannot be reached, and outlives configurations. It is made by NewRemoteKeys and ended by Close.
//
// Locks: mu guards the list of sets; each set's own mu guards that set and is never held during a fetch.
type RemoteKeys struct {
	client *http.Client
	logger *slog.Logger
	now    func() time.Time

	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	sets   map[KeySource]*remoteSet
	closed bool // no fetch begins any more
}

// KeySource is where an issuer publishes its keys.
type KeySource struct {
	URL string
	// CABundle holds the certificates of the only authorities that the server is trusted by, in PEM; empty is those of the system.
	CABundle string
}

// readCABundle returns the content of a CA bundle if there is a certificate in it.
func readCABundle(content []byte) (*string, error) {
	if !x509.NewCertPool().AppendCertsFromPEM(content) {
		return nil, errors.New("it holds no certificate: write those of the authorities in PEM, each from BEGIN CERTIFICATE to END CERTIFICATE")
	}
	bundle := string(content)
	return &bundle, nil
}

// client returns the client to fetch from the source with; usual is that of sources without a bundle.
func (s KeySource) client(usual *http.Client) *http.Client {
	if s.CABundle == "" {
		return usual
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.CABundle))
	return newKeyClient(roots)
}

// remoteSet is what one source has.
type remoteSet struct {
	source KeySource
	client *http.Client
	from   *RemoteKeys
	cancel context.CancelFunc
	asked  chan struct{} // holds one wish for a fetch

	mu      sync.Mutex
	keys    *keySet
	fetched time.Time // when keys came
	failure string    // of the last fetch; empty when it succeeded
	// askedAt is when an unknown key last caused a fetch, asking is closed when that fetch has ended and nil when there is none, and
	// absent are the keys that have been found not to be there since.
	askedAt time.Time
	asking  chan struct{}
	absent  map[wantedKey]struct{}
}

// NewRemoteKeys follows no URL yet. Nil for the logger is silence, and for the clock the machine's.
func NewRemoteKeys(logger *slog.Logger, now func() time.Time) *RemoteKeys {
	if now == nil {
		now = time.Now
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &RemoteKeys{client: newKeyClient(nil), logger: logger, now: now, ctx: ctx, stop: stop, sets: map[KeySource]*remoteSet{}}
}

// Follow fetches from these sources from now on and from no other. The keys of a source that stays are kept. After Close it does nothing.
func (r *RemoteKeys) Follow(sources []KeySource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	wanted := map[KeySource]*remoteSet{}
	for _, source := range sources {
		if wanted[source] != nil {
			continue
		}
		if wanted[source] = r.sets[source]; wanted[source] != nil {
			delete(r.sets, source)
			continue
		}
		ctx, cancel := context.WithCancel(r.ctx)
		set := &remoteSet{source: source, client: source.client(r.client), from: r, cancel: cancel, asked: make(chan struct{}, 1), failure: "not fetched yet"}
		wanted[source] = set
		r.work.Go(func() { set.follow(ctx) })
	}
	for _, unwanted := range r.sets {
		unwanted.cancel()
	}
	r.sets = wanted
}

// Close ends all fetches and waits for them. A hub may be given a new configuration, and Follow be called, at any time.
func (r *RemoteKeys) Close() {
	r.mu.Lock()
	r.closed = true // since nothing may be added to work once somebody waits for it
	r.mu.Unlock()
	r.stop()
	r.work.Wait()
}

func (r *RemoteKeys) set(source KeySource) *remoteSet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sets[source]
}

// current returns the keys of a source, or nil and why there are none.
func (r *RemoteKeys) current(source KeySource) (*keySet, string) {
	s := r.set(source)
	if s == nil {
		return nil, "not fetched yet"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usable()
}

// wantedKey is what is looked for: the id that a token names, or the print that a ticket holds.
type wantedKey struct{ id, print string }

func (w wantedKey) in(keys *keySet) bool {
	if w.print != "" {
		return keys.holds(w.print)
	}
	return keys.has(w.id)
}

// find returns the keys of a source, fetched anew if one is not among them and that has not been tried a moment ago. The error is
// ErrNotReady when there are no keys, or when it cannot be said yet that there is no such key.
func (r *RemoteKeys) find(ctx context.Context, source KeySource, wanted wantedKey) (*keySet, error) {
	s := r.set(source)
	if s == nil {
		return nil, ErrNotReady
	}
	s.mu.Lock()
	keys, _ := s.usable()
	if keys == nil || wanted.in(keys) {
		s.mu.Unlock()
		return keys, ready(keys)
	}
	_, absent := s.absent[wanted]
	early := r.now().Sub(s.askedAt) < unknownInterval
	switch {
	case s.asking != nil: // the fetch that is wanted or under way will tell
	case early && absent:
		s.mu.Unlock()
		return keys, nil
	case early:
		s.mu.Unlock()
		return nil, ErrNotReady
	default:
		s.ask(r.now())
	}
	asking := s.asking
	s.mu.Unlock()
	return s.wait(ctx, asking, wanted)
}

func ready(keys *keySet) error {
	if keys == nil {
		return ErrNotReady
	}
	return nil
}

// ask causes a fetch. The caller holds mu.
func (s *remoteSet) ask(now time.Time) {
	s.askedAt, s.asking, s.absent = now, make(chan struct{}), map[wantedKey]struct{}{}
	select {
	case s.asked <- struct{}{}:
	default: // there is a wish already
	}
}

// wait for the fetch that was asked for.
func (s *remoteSet) wait(ctx context.Context, asking <-chan struct{}, wanted wantedKey) (*keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, unknownWait)
	defer cancel()
	select {
	case <-ctx.Done():
		return nil, ErrNotReady
	case <-asking:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, _ := s.usable()
	switch {
	case keys == nil || s.failure != "":
		return nil, ErrNotReady
	case !wanted.in(keys) && len(s.absent) < maxAbsent:
		s.absent[wanted] = struct{}{}
	}
	return keys, nil
}

// usable returns the keys unless they are too old, or why there are none. The caller holds mu.
func (s *remoteSet) usable() (*keySet, string) {
	if s.keys == nil {
		return nil, s.failure
	}
	if s.from.now().Sub(s.fetched) > maxKeyAge {
		return nil, "they are older than " + maxKeyAge.String() + ", and: " + s.failure
	}
	return s.keys, ""
}
