package render

import (
	"slices"

	"k8s.io/utils/ptr"

	"github.com/runnel-dev/runnel/hub/config"
)

// Audience is the audience that a publisher's ServiceAccount token must have to be taken by the stream's hub.
func Audience(namespace, name string) string { return "runnel.dev/" + namespace + "/" + name }

// Cluster is what a hub is told of the cluster that it runs in.
type Cluster struct {
	// Domain ends the names of Services, without a dot at either end.
	Domain string
	// Issuers of ServiceAccount tokens. None makes a hub that asks publishers with such tokens to come back later, and hands
	// nothing over to its successor.
	Issuers []config.Issuer
	// FirstHub is the UID of the pod whose hub has nothing to take over; empty is none.
	FirstHub string
}

// Config returns the hub's configuration; without a cluster, that of a hub which stands alone. Its error is an *InvalidError.
func Config(r Resolved, cluster *Cluster) (*config.Config, error) {
	c := &config.Config{
		Version:   config.Version,
		Stream:    config.Stream{Namespace: r.Namespace, Name: r.Name},
		Topics:    r.Topics,
		Retention: config.Retention{Bytes: r.RetentionBytes},
		Heartbeat: config.Heartbeat{Interval: config.Duration(r.HeartbeatInterval), Minimum: config.Duration(r.HeartbeatMinimum)},
		Reconnect: config.Reconnect{
			Delay:            config.Duration(r.ReconnectDelay),
			MaxConnectionAge: config.Duration(r.MaxConnectionAge),
		},
		Drain: config.Drain{Window: config.Duration(r.DrainWindow)},
		Limits: config.Limits{
			ConnectionsPerHub: r.ConnectionsPerHub, ConnectionsPerIdentity: r.ConnectionsPerIdentity,
			MaxEventSize: r.MaxEventSize, EventsPerSecondPerPublisher: r.EventsPerSecondPerPublisher,
		},
		CORS: config.CORS{
			AllowedOrigins:   slices.Clone(r.CORS.AllowedOrigins),
			AllowCredentials: ptr.Deref(r.CORS.AllowCredentials, false),
		},
		Auth: config.Auth{
			Subscribers: r.Subscribers,
			Publishers:  publisherConfig(r),
		},
	}
	if cluster != nil {
		c.Auth.Issuers, c.Peers = cluster.Issuers, peers(r, cluster)
	}
	if r.TLSSecret != "" {
		c.TLS = &config.TLS{Secret: r.TLSSecret}
	}
	// The schema's bounds are the document's too, so this finds only a stream that came here past the API server.
	if err := c.Validate(); err != nil {
		return nil, &InvalidError{Problems: []string{err.Error()}}
	}
	return c, nil
}

func publisherConfig(r Resolved) config.Publishers {
	if r.AnonymousPublishers {
		return config.Publishers{Anonymous: &config.Anonymous{}}
	}
	p := config.Publishers{Keys: r.PublisherKeys}
	if len(r.PublisherGrants) > 0 {
		p.ServiceAccounts = &config.ServiceAccounts{
			Audience: Audience(r.Namespace, r.Name),
			Grants:   r.PublisherGrants,
		}
	}
	return p
}
