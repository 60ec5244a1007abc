package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// Paths of an API server's OpenID Connect discovery. The keys are read from the API server itself and not from the jwks_uri that
// it names, which may be for the world outside.
const (
	discoveryPath = "/.well-known/openid-configuration"
	keysPath      = "/openid/v1/jwks"
)

// A right of the whole cluster, also where the operator's others are for some namespaces only.
//
// +kubebuilder:rbac:urls=/.well-known/openid-configuration;/openid/v1/jwks,verbs=get

// Cluster is the Source that asks the API server. It needs the right to get the two paths.
type Cluster struct{ client rest.Interface }

// NewCluster makes a Cluster of the operator's own connection.
func NewCluster(cfg *rest.Config, http *http.Client) (*Cluster, error) {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(cfg, http)
	if err != nil {
		return nil, fmt.Errorf("client for token issuer: %w", err)
	}
	return &Cluster{client: d.RESTClient()}, nil
}

// Read reads the issuer's URL and keys.
func (c *Cluster) Read(ctx context.Context) (string, []Key, error) {
	var provider struct {
		Issuer string `json:"issuer"`
	}
	if err := c.get(ctx, discoveryPath, &provider); err != nil {
		return "", nil, err
	}
	if provider.Issuer == "" {
		return "", nil, fmt.Errorf("%s: it names no issuer", discoveryPath)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := c.get(ctx, keysPath, &set); err != nil {
		return "", nil, err
	}
	keys, err := readKeys(set.Keys)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", keysPath, err)
	}
	return provider.Issuer, keys, nil
}

func (c *Cluster) get(ctx context.Context, path string, into any) error {
	b, err := c.client.Get().AbsPath(path).Do(ctx).Raw()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readKeys writes each key with its members in one order, so that a server that orders them anew changes nothing.
func readKeys(members []map[string]any) ([]Key, error) {
	if len(members) == 0 {
		return nil, errors.New("it holds no keys")
	}
	keys := make([]Key, 0, len(members))
	for _, m := range members {
		if kty, _ := m["kty"].(string); kty == "" || kty == "oct" { // RFC 7518, section 6.4: oct is a shared secret
			return nil, fmt.Errorf("a key of type %q is no public key", kty)
		}
		b, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		id, _ := m["kid"].(string)
		keys = append(keys, Key{ID: id, JWK: string(b)})
	}
	return keys, nil
}
