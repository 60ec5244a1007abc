package conformance_test

import (
	"context"
	"net/http"

	"github.com/launchdarkly/eventsource"

	"github.com/runnel-dev/runnel/test/browser"
)

// launchDarklyClient is github.com/launchdarkly/eventsource.
var launchDarklyClient = client{
	name:    "launchdarkly/eventsource",
	missing: present,
	open: func(url string) func(context.Context, func(browser.Event)) error {
		return func(ctx context.Context, got func(browser.Event)) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			var last error
			stream, err := eventsource.SubscribeWithRequestAndOptions(request,
				eventsource.StreamOptionHTTPClient(httpClient()),
				eventsource.StreamOptionCanRetryFirstConnection(-1), // without an end
				eventsource.StreamOptionInitialRetry(firstDelay),
				eventsource.StreamOptionErrorHandler(func(err error) eventsource.StreamErrorHandlerResult {
					last = err
					_, refused := err.(eventsource.SubscriptionError) //nolint:errorlint // as it is documented
					return eventsource.StreamErrorHandlerResult{CloseNow: refused || ctx.Err() != nil}
				}),
			)
			if err != nil {
				return err
			}
			for e := range stream.Events {
				id := e.(eventsource.EventWithLastID).LastEventID()
				got(browser.Event{ID: id, Type: e.Event(), Data: e.Data()})
			}
			return last
		}
	},
}
