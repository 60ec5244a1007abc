package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/runnel-dev/runnel/test/platform"
)

// sample is the stream of config/samples.
var sample = types.NamespacedName{Namespace: "default", Name: "shop"}

// sampleTopic is one that the sample declares.
const sampleTopic = "orders"

// stream is where the sample is reached.
type stream struct {
	subscribe, publish string // URLs on this machine
	audience           string // of a publisher's token
}

func (s *stream) events() string { return s.subscribe + "/v1/topics/" + sampleTopic + "/events" }

func (s *stream) topic() string { return s.publish + "/v1/topics/" + sampleTopic }

// apply applies the sample stream and says how.
func apply(ctx context.Context, p *platform.Platform) (how string, err error) {
	return p.ApplyFile(ctx, "config/samples/eventstream.yaml")
}

// ready waits until the sample serves.
func ready(ctx context.Context, p *platform.Platform) (*stream, error) {
	object, err := p.Ready(ctx, sample)
	if err != nil {
		return nil, err
	}
	s := &stream{audience: object.Status.Address.Audience}
	if s.subscribe, err = p.SubscribeURL(ctx, sample); err != nil {
		return nil, err
	}
	s.publish, err = p.PublishURL(ctx, sample)
	return s, err
}

// tries are commands to try by hand.
func (s *stream) tries() string {
	return fmt.Sprintf(`  kubectl get eventstreams
  curl -N %s
  curl -d '{"n":1}' -H "Authorization: Bearer $(kubectl create token default --audience=%s)" %s
`, s.events(), s.audience, s.topic())
}
