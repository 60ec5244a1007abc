package eventlog

import (
	"math"
	"runtime"
	"sync"
)

const (
	// stepsOfHold bounds what is done before the lock is free again for a moment, in entries that are dropped: some 50 µs.
	stepsOfHold = 256
	// stepsOfAppend bounds the entries that an Append drops because they are due: few, since there may be very many, and more than the
	// one that it adds.
	stepsOfAppend = 8
)

// inSteps calls f with the log locked until it is done, and frees the log between.
func (m *Memory) inSteps(f func(steps *int) (done bool)) {
	for !hold(&m.mu, f) {
		runtime.Gosched() // or the lock would be taken again before who waits for it wakes up
	}
}

func hold(lock sync.Locker, f func(steps *int) (done bool)) (done bool) {
	lock.Lock()
	defer lock.Unlock()
	steps := stepsOfHold
	return f(&steps)
}

// sweep calls f for each topic that there is, some at a time with the log locked and free between: not for those that come meanwhile,
// and more than once for some if others go. f may remove the topic, and is called again for it until it is done.
func (m *Memory) sweep(lock sync.Locker, f func(t *topic, steps *int) (done bool)) {
	left := math.MaxInt
	for !hold(lock, func(steps *int) bool { return m.someTopics(&left, steps, f) }) {
		runtime.Gosched()
	}
}

// someTopics calls f for some of the topics that are left, from the end on: the last topic takes the place of one that is removed. It
// says whether none is left.
func (m *Memory) someTopics(left, steps *int, f func(t *topic, steps *int) (done bool)) bool {
	for ; *steps > 0; *steps-- {
		if *left = min(*left, len(m.topics.all)); *left == 0 {
			return true
		}
		if f(m.topics.all[*left-1], steps) {
			*left--
		}
	}
	return false
}
