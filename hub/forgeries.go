package hub

import "golang.org/x/time/rate"

// forgeriesPerSecond is how many credentials of no use the loops verify in a second. A signature takes 50 µs to 1 ms, for which all
// connections of a loop wait; this many take no more than 2% of one.
const forgeriesPerSecond = 20

// forgeries bounds what loops spend on credentials that turn out to be of no use. Loops verify those that they do not remember, since a
// connection that is passed on stays with net/http, and publishers get a new token every hour. As soon as too many were refused, loops
// leave the others to net/http, whose goroutines hold nobody up.
type forgeries struct{ left *rate.Limiter }

func newForgeries() forgeries {
	return forgeries{rate.NewLimiter(forgeriesPerSecond, forgeriesPerSecond)}
}

// few reports whether a loop may verify another credential.
func (f forgeries) few() bool { return f.left.Tokens() >= 1 }

// count notes how a loop answered a credential that it did not remember.
func (f forgeries) count(bad *problem) {
	if bad.Code == tokenRefused {
		f.left.Allow()
	}
}
