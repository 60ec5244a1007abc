package auth

import (
	"context"
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
	sets   map[string]*remoteSet
	closed bool // no fetch begins any more
}

// remoteSet is what is at one URL.
type remoteSet struct {
	url    string
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
	return &RemoteKeys{client: newKeyClient(), logger: logger, now: now, ctx: ctx, stop: stop, sets: map[string]*remoteSet{}}
}

// Follow fetches from these URLs from now on and from no other. What is known of a URL that stays is kept. After Close it does nothing.
func (r *RemoteKeys) Follow(urls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	wanted := map[string]*remoteSet{}
	for _, url := range urls {
		if wanted[url] != nil {
			continue
		}
		if wanted[url] = r.sets[url]; wanted[url] != nil {
			delete(r.sets, url)
			continue
		}
		ctx, cancel := context.WithCancel(r.ctx)
		set := &remoteSet{url: url, from: r, cancel: cancel, asked: make(chan struct{}, 1), failure: "not fetched yet"}
		wanted[url] = set
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

func (r *RemoteKeys) set(url string) *remoteSet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sets[url]
}

// current returns the keys at a URL, or nil and why there are none.
func (r *RemoteKeys) current(url string) (*keySet, string) {
	s := r.set(url)
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

// find returns the keys at a URL, fetched anew if one is not among them and that has not been tried a moment ago. The error is
// ErrNotReady when there are no keys, or when it cannot be said yet that there is no such key.
func (r *RemoteKeys) find(ctx context.Context, url string, wanted wantedKey) (*keySet, error) {
	s := r.set(url)
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
