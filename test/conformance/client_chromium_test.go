package conformance_test

import (
	"context"
	"errors"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/runnel-dev/runnel/test/browser"
)

// chromiumClient, firefoxClient and webkitClient are the native EventSource.
var (
	chromiumClient = client{
		name:    native,
		missing: missingChromium,
		open: func(url string) func(context.Context, func(browser.Event)) error {
			return follow(chromium.Open(home, browser.Reads{URL: url, Types: []string{tick}}))
		},
		finInHeaders: "Cut by reset alone within the answer's headers: without TLS it takes those before a FIN for all of them, and is closed for good.",
	}
	firefoxClient = client{
		name:    nativeFirefox,
		missing: missingFirefox,
		open: func(url string) func(context.Context, func(browser.Event)) error {
			return follow(firefox.Open(home, browser.Reads{URL: url, Types: []string{tick}}))
		},
		data:         func(data string) string { return strings.ReplaceAll(data, "\x00", "") },
		dataNote:     "It drops NUL from data.",
		wholeHeaders: "Not cut within the answer's headers: it is closed for good there, as where a connection is refused.",
	}
	webkitClient = client{
		name:    nativeWebKit,
		missing: missingWebKit,
		open: func(url string) func(context.Context, func(browser.Event)) error {
			return follow(webkit.Open(home, browser.Reads{URL: url, Types: []string{tick}}))
		},
		broken: func(before, half, whole, after browser.Event) types.GomegaMatcher {
			joined := And(HaveField("ID", before.ID), HaveField("Type", half.Type),
				HaveField("Data", HavePrefix(half.Data+"event: "+browser.RunnelOpen+"\n")))
			return HaveExactElements(Equal(before), joined, Equal(whole), Equal(after))
		},
		brokenNote: "The half of an event that a cut leaves is joined to the next connection's `runnel-open`, and both are delivered as one event, " +
			"with the id of the event before. Then the event comes whole.",
		whole: true,
	}
)

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
