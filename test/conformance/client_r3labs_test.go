package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	r3labs "github.com/r3labs/sse/v2"
	"gopkg.in/cenkalti/backoff.v1"

	"github.com/runnel-dev/runnel/test/browser"
)

// r3labsClient is github.com/r3labs/sse.
var r3labsClient = client{
	name:    "r3labs/sse",
	missing: present,
	open: func(url string) func(context.Context, func(browser.Event)) error {
		return func(ctx context.Context, got func(browser.Event)) error {
			ctx, refuse := context.WithCancelCause(ctx)
			defer refuse(nil)
			c := r3labs.NewClient(url, r3labs.ClientMaxBufferSize(bufferBytes))
			c.Connection = httpClient()
			c.ReconnectStrategy = untilDone{ctx}
			c.ResponseValidator = func(_ *r3labs.Client, answer *http.Response) error {
				if answer.StatusCode == http.StatusOK {
					return nil
				}
				err := fmt.Errorf("status %d", answer.StatusCode)
				refuse(err)
				return errors.Join(err, answer.Body.Close())
			}
			for ctx.Err() == nil {
				err := c.SubscribeRawWithContext(ctx, func(e *r3labs.Event) {
					got(browser.Event{ID: string(e.ID), Type: string(e.Event), Data: string(e.Data)})
				})
				if err != nil {
					return err
				}
				untilDone{ctx}.wait()
			}
			return context.Cause(ctx)
		}
	},
	note: "`Subscribe` returns at a stream's end, and is called again; `retry` is left to the caller; events of more than 64 KiB need " +
		"`ClientMaxBufferSize`; a status that is final ends it only if `ResponseValidator` and `ReconnectStrategy` see to it.",
	broken: func(before, half, _, after browser.Event) types.GomegaMatcher {
		return Equal([]browser.Event{before, half, after})
	},
	brokenNote: "The half of an event that a cut leaves is delivered as the event, and the other half is lost.",
	whole:      true,
}

// untilDone is a backoff of one delay, without an end but that of the context.
type untilDone struct{ context.Context }

func (u untilDone) NextBackOff() time.Duration {
	if u.Err() != nil {
		return backoff.Stop
	}
	return firstDelay
}

func (untilDone) Reset() {}

func (u untilDone) wait() {
	select {
	case <-u.Done():
	case <-time.After(firstDelay):
	}
}
