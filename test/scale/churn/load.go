package churn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/bench/load"
)

const (
	// Mark is the annotation of a pod template that a Roll changes.
	Mark = "example.com/change"
	// connections is what a Configure adds its number to: a limit of readers that any hub can serve.
	connections = 1000
	// configurations is how many limits there are, so that the largest is within a hub's memory too.
	configurations = 9000
	// inFlight bounds the requests that wait for the API server.
	inFlight = 64
	// finishedPoll is how often a load without a rate looks whether a stream is finished with its change.
	finishedPoll = 10 * time.Millisecond
)

// Load changes streams. It is for one goroutine at a time.
type Load struct {
	// Client has the right to change streams.
	Client client.Client
	// Tracker is told of each change.
	Tracker *Tracker
	// Base is what each stream is like; its name is the prefix of theirs.
	Base *v1alpha1.EventStream
	// Namespaces that streams are spread over; they exist.
	Namespaces []string

	streams []types.NamespacedName
	made    int // streams that were ever made
	cursor  int // of the stream that is changed next
	changes int // that were ever made

	mu     sync.Mutex
	err    error
	counts Mix
	asked  load.Histogram
}

// Sent is what a load has done.
type Sent struct {
	// Counts by kind, and Elapsed from the first change to the last answer.
	Counts  Mix
	Elapsed time.Duration
	// Answers is how long the API server took.
	Answers load.Histogram
	// Skipped counts changes that were left out because none of the streams was finished with the one before.
	Skipped int
}

// Streams is how many there are.
func (l *Load) Streams() int { return len(l.streams) }

// Grow makes streams until there are n, as fast as the API server takes them.
func (l *Load) Grow(ctx context.Context, n int) (Sent, error) {
	return l.send(ctx, n-len(l.streams), 0, func(int) Kind { return Create })
}

// Run makes n changes of a mix at a rate in changes a second. They are sent when they are due, whether or not those before
// are answered; only when 64 are not does the next one wait. With a rate of 0, the next change is sent as soon as a stream is finished
// with the one before, and none is left out.
func (l *Load) Run(ctx context.Context, mix Mix, rate float64, n int) (Sent, error) {
	return l.send(ctx, n, rate, mix.Of)
}

func (l *Load) send(ctx context.Context, n int, rate float64, kind func(int) Kind) (Sent, error) {
	l.err, l.counts, l.asked = nil, Mix{}, load.Histogram{}
	var all sync.WaitGroup
	free := make(chan struct{}, inFlight)
	begin, skipped := time.Now(), 0
	for i := range n {
		if rate > 0 {
			due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(due)):
			}
		}
		if ctx.Err() != nil {
			break
		}
		call, ok := l.prepare(kind(i))
		for rate == 0 && !ok && ctx.Err() == nil {
			time.Sleep(finishedPoll)
			call, ok = l.prepare(kind(i))
		}
		if !ok {
			skipped++
			continue
		}
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			call(ctx)
		})
	}
	all.Wait()
	return Sent{Counts: l.counts, Elapsed: time.Since(begin), Answers: l.asked, Skipped: skipped}, errors.Join(l.err, ctx.Err())
}

// prepare begins a change and returns the call that makes it.
func (l *Load) prepare(kind Kind) (call func(context.Context), ok bool) {
	switch kind {
	case Create:
		stream := l.Base.DeepCopy()
		stream.Namespace = l.Namespaces[l.made%len(l.Namespaces)]
		stream.Name = fmt.Sprintf("%s-%d", l.Base.Name, l.made)
		vary(stream, l.made)
		key := client.ObjectKeyFromObject(stream)
		l.made++
		l.streams = append(l.streams, key)
		l.Tracker.Begin(key, childrenOf(stream.Name))
		return func(ctx context.Context) {
			l.ask(kind, stream, func() error { return l.Client.Create(ctx, stream) })
		}, true
	case Delete:
		stream, ok := l.next(nil)
		if !ok {
			return nil, false
		}
		l.streams = slices.DeleteFunc(l.streams, func(s types.NamespacedName) bool { return s == client.ObjectKeyFromObject(stream) })
		return func(ctx context.Context) {
			l.ask(kind, stream, func() error { return l.Client.Delete(ctx, stream) })
			l.Tracker.Drop(client.ObjectKeyFromObject(stream))
		}, true
	}
	l.changes++
	number := strconv.Itoa(connections + l.changes%configurations)
	patch := fmt.Sprintf(`{"spec":{"limits":{"connectionsPerHub":%s}}}`, number)
	want := Want{Kind: "ConfigMap", Mark: number}
	if kind == Roll {
		patch = fmt.Sprintf(`{"spec":{"template":{"annotations":{%q:%q}}}}`, Mark, number)
		want.Kind = "Deployment"
	}
	stream, ok := l.next(&want)
	if !ok {
		return nil, false
	}
	return func(ctx context.Context) {
		l.ask(kind, stream, func() error { return l.Client.Patch(ctx, stream, client.RawPatch(types.MergePatchType, []byte(patch))) })
	}, true
}

// next begins a change of the next stream that is finished with the one before.
func (l *Load) next(want *Want) (*v1alpha1.EventStream, bool) {
	for range l.streams {
		key := l.streams[l.cursor%len(l.streams)]
		l.cursor = (l.cursor + 1) % len(l.streams)
		wants := []Want{}
		if want != nil {
			want.Name = render.HubName(key.Name)
			wants = append(wants, *want)
		}
		if l.Tracker.Begin(key, wants) {
			stream := &v1alpha1.EventStream{}
			stream.Namespace, stream.Name = key.Namespace, key.Name
			return stream, true
		}
	}
	return nil, false
}

// ask makes a call and counts it. Its answer is in the stream afterwards.
func (l *Load) ask(kind Kind, stream *v1alpha1.EventStream, call func() error) {
	key, begin := client.ObjectKeyFromObject(stream), time.Now()
	err := call()
	end := time.Now()
	if err != nil {
		l.Tracker.Drop(key)
	} else if kind != Delete {
		l.Tracker.Answered(key, stream.Generation, end)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if l.err == nil {
			l.err = fmt.Errorf("%s: %s: %w", key, kind, err)
		}
		return
	}
	l.counts[kind]++
	l.asked.Add(end.Sub(begin))
}

// childrenOf lists what a stream is carried out with.
func childrenOf(stream string) []Want {
	hub := render.HubName(stream)
	return []Want{
		{Kind: "ServiceAccount", Name: hub}, {Kind: "ConfigMap", Name: hub}, {Kind: "Deployment", Name: hub},
		{Kind: "Service", Name: hub}, {Kind: "Service", Name: render.PublishName(stream)}, {Kind: "Service", Name: render.SubscribeName(stream)},
	}
}
