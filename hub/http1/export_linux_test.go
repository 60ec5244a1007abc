package http1

import "time"

// WithWholeWithin sets how long a request may come in parts until net/http takes care of it. It is called before Serve.
func (f *Front) WithWholeWithin(d time.Duration) { f.wholeWithin = d }
