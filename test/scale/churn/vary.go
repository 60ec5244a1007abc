package churn

import (
	"fmt"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

const (
	// Streams differ: they have one to mostTopics topics beside those of their base, and one in withKeys has publishers with keys of
	// their own, which are Secrets that its hubs mount.
	mostTopics = 5
	withKeys   = 4
)

// vary gives stream number i what no other has: copies of one stream would take less memory than streams do.
func vary(s *v1alpha1.EventStream, i int) {
	s.Labels = map[string]string{"example.com/owner": fmt.Sprintf("crew-%d", i)}
	for t := range 1 + i%mostTopics {
		topic := v1alpha1.Topic{Name: fmt.Sprintf("region-%d.shard-%d.>", i, t)}
		if t%2 == 0 {
			topic.Retention = v1alpha1.TopicRetention{Events: new(int32(100 + i)), Age: v1alpha1.Duration(fmt.Sprintf("%dh", 1+t))}
		}
		s.Spec.Topics = append(s.Spec.Topics, topic)
	}
	s.Spec.CORS = v1alpha1.CORS{AllowedOrigins: []string{fmt.Sprintf("https://shop-%d.example", i)}}
	if i%withKeys > 0 {
		return
	}
	s.Spec.Auth.Publishers = &v1alpha1.PublisherAuth{Keys: []v1alpha1.PublisherKey{{
		Name: "ci", SecretRef: v1alpha1.EntryReference{Name: fmt.Sprintf("shop-ci-%d", i)}, Topics: []string{"orders"},
	}}}
}
