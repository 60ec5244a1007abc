package manifest

import (
	"fmt"

	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// Config returns the configuration that the operator would write for the stream's hub, but for the cluster's issuers of
// tokens: there is no cluster here. Its error is what the API server lets pass and the operator refuses.
func (m *Manifest) Config() (*config.Config, error) {
	resolved, err := render.Resolve(m.Stream)
	if err != nil {
		return nil, m.refused(err)
	}
	c, err := render.Config(resolved, nil)
	if err != nil {
		return nil, m.refused(err)
	}
	return c, nil
}

func (m *Manifest) refused(err error) error {
	return fmt.Errorf("%s cannot be carried out: %w", title(m.Stream.Name), err)
}
