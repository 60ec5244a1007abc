package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/time/rate"

	"github.com/runnel-dev/runnel/test/suite"
)

const (
	// publishers send at a time, each over a connection that it keeps.
	publishers = 64
	// publishPause is how long one waits that has lost its connection.
	publishPause = 50 * time.Millisecond
	// trialEvents are published as fast as they are answered, to measure what this machine takes.
	trialEvents = 2000
	// trialShare of the measured rate is what a flow offers at most. The rest is for the changes that a spec makes meanwhile.
	trialShare = 1. / 3
)

// flow publishes numbered events, event n to topic n modulo their number, through the Service, with a token. It offers no more than the
// machine takes: a publisher waits for each answer, and no event makes up for a time in which others were late.
//
// Each event has an Idempotency-Key of its own, as a good publisher's has: where a connection breaks, the event is sent again under
// the same key, by Go's client itself if the connection was an old one, else after a pause. That is counted in again, and is no
// fault. Any answer but 200 is one, and is not tried again; so is an event that is not answered at all.
type flow struct {
	url, token string
	most       int // events a second
	topics     []string
	faults     *faults

	next  atomic.Int64
	again atomic.Int64 // events that were sent again
	pace  *rate.Limiter
	stop  context.CancelFunc
	all   sync.WaitGroup

	mu      sync.Mutex
	ids     map[int]string // of the events that are acknowledged
	longest time.Duration  // until an answer, with all that was tried
}

// begin begins to publish, and returns when it has measured what rate to offer. The flow ends with end.
func (f *flow) begin() {
	GinkgoHelper()
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.ids, f.pace = stop, map[int]string{}, rate.NewLimiter(rate.Inf, 1)
	DeferCleanup(f.end)
	transport := &http.Transport{MaxIdleConnsPerHost: publishers}
	for range publishers {
		f.all.Go(func() {
			for {
				if f.pace.Wait(ctx) != nil {
					return
				}
				f.publish(transport, int(f.next.Add(1)-1))
			}
		})
	}
	f.all.Go(func() {
		<-ctx.Done()
		transport.CloseIdleConnections()
	})
	began := time.Now()
	suite.Reaches(f.sent, trialEvents, "events are acknowledged")
	f.pace.SetLimit(rate.Limit(min(float64(f.most), trialShare*float64(f.sent())/time.Since(began).Seconds())))
}

// goesOn waits until n more events are acknowledged.
func (f *flow) goesOn(n int) {
	GinkgoHelper()
	suite.Reaches(f.sent, f.sent()+n, "events are acknowledged")
}

// end lets what is under way be answered, and returns then. It may be called more than once.
func (f *flow) end() {
	f.stop()
	f.all.Wait()
}

func (f *flow) topic(n int) string { return f.topics[n%len(f.topics)] }

// publish sends an event until it is answered.
func (f *flow) publish(transport http.RoundTripper, n int) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), suite.Patience)
	defer cancel()
	for tries := 0; ; tries++ {
		id, err := f.post(ctx, transport, n)
		var refused *publishError
		switch {
		case err == nil:
			f.mu.Lock()
			f.ids[n] = id
			f.longest = max(f.longest, time.Since(began))
			f.mu.Unlock()
			return
		case errors.As(err, &refused):
			f.faults.add("publish that was refused", "event %d: %v", n, err)
			return
		case ctx.Err() != nil:
			f.faults.add("publish that was not answered", "event %d, tried %d times: %v", n, tries+1, err)
			return
		}
		f.again.Add(1)
		until(ctx, time.Now().Add(publishPause))
	}
}

// publishError is an answer other than 200.
type publishError struct {
	status int
	body   string
}

func (e *publishError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.body) }

func (f *flow) post(ctx context.Context, transport http.RoundTripper, n int) (id string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/v1/topics/"+f.topic(n), strings.NewReader(strconv.Itoa(n)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	request.Header.Set("Idempotency-Key", strconv.Itoa(n))
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", &publishError{answer.StatusCode, string(body)}
	}
	var receipt struct{ ID string }
	if err := json.Unmarshal(body, &receipt); err != nil {
		return "", fmt.Errorf("%w: %s", err, body)
	}
	return receipt.ID, nil
}

// sent are the events that are acknowledged.
func (f *flow) sent() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ids)
}

// id is that of an event that is acknowledged.
func (f *flow) id(n int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ids[n]
}

// acknowledged are the events that are acknowledged, by topic.
func (f *flow) acknowledged() map[string][]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := map[string][]int{}
	for n := range f.ids {
		found[f.topic(n)] = append(found[f.topic(n)], n)
	}
	return found
}

// holes says where the sequence of the acknowledged events is not one of one log: another epoch, a number that is missing or
// that two have. The flow must have ended, and nobody else have published.
func (f *flow) holes() (found []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	epochs, seqs := map[string]bool{}, []uint64{}
	for _, id := range f.ids {
		epoch, seq, err := parseID(id)
		if err != nil {
			found = append(found, err.Error())
		}
		epochs[epoch], seqs = true, append(seqs, seq)
	}
	if len(epochs) != 1 {
		found = append(found, fmt.Sprintf("%d epochs", len(epochs)))
	}
	slices.Sort(seqs)
	for i := range seqs {
		if i > 0 && seqs[i] != seqs[i-1]+1 && len(found) < shownFaults {
			found = append(found, fmt.Sprintf("%d follows %d", seqs[i], seqs[i-1]))
		}
	}
	return found
}
