package controllers

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// firstRenewal is the time between the first nudge and the second: a kubelet that saw the pod before its own watch told it
	// of the ConfigMap writes the file of before.
	firstRenewal = 200 * time.Millisecond
	// passing is for how long nothing is said of hubs that are taking up a configuration: most have it within 200 ms of their nudge,
	// and to say so twice would cost as much as all else of a change. A condition may be that late: half a second.
	passing = 500 * time.Millisecond
	// longestRenewal is the longest time between two nudges while a hub says that it runs another configuration.
	longestRenewal = 10 * time.Second
	// longestPatience is the longest time between two looks at a hub that cannot be asked or has refused: neither mends soon,
	// and asking 10,000 such streams every 10 s would keep every worker waiting.
	longestPatience = 5 * time.Minute
	// longestWaiting is the longest time between two looks at a hub that waits for a Secret which nobody has made yet. The time
	// doubles until then, so that a Secret is seen in about the time that it was missing for.
	longestWaiting = 30 * time.Second
	// patientNudges is how often the kubelet of such hubs is nudged: over 6 s, after which it has the file by all means. A Secret
	// that is made later comes by the kubelet's own sync, since the operator does not see when.
	patientNudges = 5
	// hastyNudges is how often it is nudged for a hub that goes on to say that it runs another configuration: for ten minutes. Whatever
	// keeps the file from it by then, such as a full disk of its node, no nudge mends.
	hastyNudges = 65
	// confirmationAge is for how long a hub is believed to have what the operator does not see. Asking 10,000 such streams takes
	// 35 questions a second.
	confirmationAge = 5 * time.Minute
)

// pace of looking at hubs that are not as they should be.
type pace int

const (
	// patient is for a hub that cannot be asked or has refused.
	patient pace = iota
	// waiting is for one that misses something.
	waiting
	// hasty is for one that is about to take up its configuration.
	hasty
)

// longest is the longest time between two looks.
func (p pace) longest() time.Duration {
	switch p {
	case hasty:
		return longestRenewal
	case waiting:
		return longestWaiting
	default:
		return longestPatience
	}
}

// confirmation is what one run of a hub's container last said, which was that all is as it should be.
type confirmation struct {
	instance, hash string
	at             time.Time
}

// holds says whether the hub need not be asked.
func (c confirmation) holds(v *view, now time.Time) bool {
	return c.hash == v.configHash && (!v.depends || now.Sub(c.at) < confirmationAge)
}

// tracker remembers, for each stream, what need not be asked again and how often it was tried. Forgetting it, as a restart
// does, costs one question for each hub. The mutex guards the maps alone: a stream is with one worker at a time.
type tracker struct {
	mu      sync.Mutex
	streams map[types.NamespacedName]*tracked
	// unseen are the streams whose problem may end without a watch telling.
	unseen map[types.NamespacedName]bool
}

type tracked struct {
	// confirmed holds which hubs run the wanted configuration and miss nothing. There are few.
	confirmed []confirmation
	// versions of the configuration that hubs read, by the run of their container, as they told. There are as few.
	versions map[string]int
	// hash is the configuration that hubs are made to take up since began, tries times; the next one is at next.
	hash        string
	tries       int
	began, next time.Time
	// repaired is when a repair of children was told last; untold repairs came since.
	repaired time.Time
	untold   int
	// written is what the operator wrote last and the cache may not show yet.
	written written
}

// last returns what an instance of a hub's container last confirmed; nothing if it is not known to have had all.
func (t *tracked) last(instance string) (c confirmation, ok bool) {
	i := slices.IndexFunc(t.confirmed, func(c confirmation) bool { return c.instance == instance })
	if i < 0 {
		return c, false
	}
	return t.confirmed[i], true
}

// moment is for how much longer nothing is said of hubs that take up the configuration; 0 or less is no longer.
func (t *tracked) moment(now time.Time) time.Duration { return t.began.Add(passing).Sub(now) }

func (t *tracker) of(stream types.NamespacedName) *tracked {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.streams == nil {
		t.streams = map[types.NamespacedName]*tracked{}
	}
	s := t.streams[stream]
	if s == nil {
		s = &tracked{}
		t.streams[stream] = s
	}
	return s
}

func (t *tracker) forget(stream types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.streams, stream)
	delete(t.unseen, stream)
}

// unwatched notes that no watch tells when the stream's problem ends, and returns how many such streams there are.
func (t *tracker) unwatched(stream types.NamespacedName) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	put(&t.unseen, stream)
	return len(t.unseen)
}

// watched notes that the stream has no such problem.
func (t *tracker) watched(stream types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.unseen, stream)
}

// done ends the tries.
func (t *tracked) done() { t.hash, t.tries = "", 0 }

// due returns the value that hubs are to be nudged with now, or none if it is not time or no use, and how long to wait until
// the next look. Each value differs from the last one, since a kubelet sees only what changes.
func (t *tracked) due(hash string, p pace, now time.Time) (value string, wait time.Duration) {
	if t.hash != hash {
		t.hash, t.tries, t.began, t.next = hash, 0, now, now
	}
	if wait := t.next.Sub(now); wait > 0 {
		return "", wait
	}
	if p == hasty && t.tries >= hastyNudges {
		p = patient
	}
	if p == hasty || t.tries < patientNudges {
		value = hash
		if t.tries > 0 {
			value = fmt.Sprintf("%s.%d", hash, t.tries)
		}
	}
	// The shift is bounded: 200 ms doubled 11 times is beyond the longest of all.
	wait = min(firstRenewal<<min(t.tries, 11), p.longest())
	t.tries++
	t.next = now.Add(wait)
	return value, wait
}
