package hub

import "time"

// WithClock sets the clock of credentials.
func (o Options) WithClock(now func() time.Time) Options {
	o.now = now
	return o
}
