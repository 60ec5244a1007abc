package config

import "time"

// What a hub that must stop takes besides its drain. GracePeriod covers both.
const (
	// SuccessorWait is how long a hub that leads goes on serving at most while no other has taken over from it.
	SuccessorWait = 30 * time.Second
	// EndpointsDelay is how long it goes on serving as one that is not ready, until nobody is sent to it any more.
	EndpointsDelay = 5 * time.Second
)

const (
	// shortDrain is the longest drain.window of the shorter grace period; the default is in it.
	shortDrain = time.Minute
	// shortMargin and longMargin are what a hub may take after its drain: 30 s until a subscriber that takes nothing is cut, 5 s to end
	// what else is in flight, and the rest for a slow machine.
	shortMargin, longMargin = 55 * time.Second, 70 * time.Second
)

// GracePeriod returns the time that a hub's pod has from SIGTERM to SIGKILL. It has two values, since another one rolls the pod, and not each
// change of drain.window shall:
//
//	drain.window up to 60 s   30 + 5 +  60 + 55 = 150 s
//	up to 10 min              30 + 5 + 600 + 70 = 705 s
//
// A hub exits as soon as it is drained. But Kubernetes plans by this value: it looks at a deleted namespace again after half of it.
func GracePeriod(window time.Duration) time.Duration {
	if window <= shortDrain {
		return SuccessorWait + EndpointsDelay + shortDrain + shortMargin
	}
	return SuccessorWait + EndpointsDelay + MaxDrainWindow + longMargin
}
