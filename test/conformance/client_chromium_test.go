package conformance_test

import (
	"context"
	"errors"
	"time"

	"github.com/runnel-dev/runnel/test/browser"
)

// chromiumClient is the native EventSource.
var chromiumClient = client{
	name:    "EventSource in Chromium",
	missing: missingChromium,
	open: func(url string) func(context.Context, func(browser.Event)) error {
		return follow(chromium.Open(home, browser.Reads{URL: url, Types: []string{tick}}))
	},
	finInHeaders: "Cut by reset alone within the answer's headers: without TLS it takes those before a FIN for all of them, and is closed for good.",
}

// follow passes on what a page is told.
func follow(p *browser.Page) func(context.Context, func(browser.Event)) error {
	return func(ctx context.Context, got func(browser.Event)) error {
		const often = 50 * time.Millisecond
		ticker := time.NewTicker(often)
		defer ticker.Stop()
		for seen := 0; ; {
			notices := p.LogFrom(seen)
			seen += len(notices)
			for _, n := range notices {
				if n.State == browser.Closed {
					return errors.New("the source is closed: " + n.Data)
				}
				if n.By == "onmessage" || n.By == "listener" {
					got(browser.Event{ID: n.ID, Type: n.Type, Data: n.Data})
				}
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	}
}
