package hub

import "time"

// WithClock sets the clock of credentials.
func (o Options) WithClock(now func() time.Time) Options {
	o.now = now
	return o
}

// WithTimeouts sets how long a client may take for its headers and its body.
func (o Options) WithTimeouts(headers, body time.Duration) Options {
	o.headers, o.body = headers, body
	return o
}
