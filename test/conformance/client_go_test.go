package conformance_test

import (
	"net/http"
	"time"
)

const (
	// firstDelay is what Go's clients wait before they come back when the hub has not told them.
	firstDelay = 100 * time.Millisecond
	// bufferBytes is ample for the largest event, where a client wants to know.
	bufferBytes = 1 << 20
)

func present() string { return "" }

// httpClient has connections of its own, and no proxy: the hub is near.
func httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}
