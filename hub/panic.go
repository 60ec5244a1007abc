package hub

import (
	"net/http"
	"runtime/debug"
)

// maxStack bounds what the log has of a panic's stack: the frames that tell where it was come first.
const maxStack = 8 << 10

// panicked counts a handler's panic. It is called by the goroutine that panics.
func (h *Hub) panicked(value any) {
	h.metrics.panics.Inc()
	h.notices.panics.add("", func() []any {
		stack := debug.Stack()
		return []any{"panic", value, "stack", string(stack[:min(len(stack), maxStack)])}
	})
}

// recovering ends the connection of a handler that panics, or its stream of HTTP/2, as net/http does.
func (h *Hub) recovering(routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			if value != http.ErrAbortHandler { //nolint:errorlint // a value that is meant by itself
				h.panicked(value)
			}
			panic(http.ErrAbortHandler) // of which net/http logs nothing
		}()
		routes.ServeHTTP(w, r)
	})
}
