package conformance_test

import (
	"context"
	"net/http"

	gosse "github.com/tmaxmax/go-sse"

	"github.com/runnel-dev/runnel/test/browser"
)

// goSSEClient is github.com/tmaxmax/go-sse.
var goSSEClient = client{
	name:    "tmaxmax/go-sse",
	missing: present,
	open: func(url string) func(context.Context, func(browser.Event)) error {
		return func(ctx context.Context, got func(browser.Event)) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			c := gosse.Client{HTTPClient: httpClient(), Backoff: gosse.Backoff{InitialInterval: firstDelay}}
			connection := c.NewConnection(request)
			connection.Buffer(nil, bufferBytes)
			connection.SubscribeToAll(func(e gosse.Event) {
				got(browser.Event{ID: e.LastEventID, Type: e.Type, Data: e.Data})
			})
			return connection.Connect()
		}
	},
	note: "Events of more than 64 KiB need `Connection.Buffer`.",
}
