package hub

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/reference"
)

// errNoCertificate ends handshakes until there is a certificate: nothing is ever served in clear text in its place.
var errNoCertificate = errors.New("the certificate is missing")

// certificate is what readers and publishers are shown. A rotated one is shown to new connections; those that are open stay. It is
// never taken away: other than a credential, an old one lets nobody in.
type certificate struct {
	logger  *slog.Logger
	current atomic.Pointer[tls.Certificate]
	said    atomic.Bool // that it is missing
}

// there says whether connections get through.
func (c *certificate) there() bool { return c.current.Load() != nil }

// notAfter is when the certificate expires; zero when there is none.
func (c *certificate) notAfter() time.Time {
	if c == nil || !c.there() {
		return time.Time{}
	}
	return c.current.Load().Leaf.NotAfter
}

// put replaces the certificate. Nil changes nothing.
func (c *certificate) put(pair *tls.Certificate) {
	if pair != nil {
		c.current.Store(pair)
	}
}

// get is for tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair := c.current.Load()
	if pair != nil {
		return pair, nil
	}
	if !c.said.Swap(true) {
		c.logger.Error("no connection of a reader or publisher gets through", "error", errNoCertificate)
	}
	return nil, errNoCertificate
}

// config encrypts a port by TLS 1.2 or newer (RFC 9325, section 3.1.1).
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// readPair reads a certificate with its key. It is nil when they are missing or of no use; the other results say which.
func readPair(c config.TLS, held reference.Snapshot) (pair *tls.Certificate, missing []string, invalid []auth.Invalid) {
	var contents [][]byte
	for _, r := range []config.Reference{c.Certificate(), c.PrivateKey()} {
		content, err := held.Read(r)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, r.String())
		} else if err != nil {
			invalid = append(invalid, auth.Invalid{Reference: r, Err: err})
		}
		contents = append(contents, content)
	}
	if len(missing) == 0 && len(invalid) == 0 {
		read, err := tls.X509KeyPair(contents[0], contents[1]) // its errors hold nothing of the key
		if err == nil {
			return &read, nil, nil
		}
		invalid = append(invalid, auth.Invalid{Reference: c.Certificate(), Err: err}, auth.Invalid{Reference: c.PrivateKey(), Err: err})
	}
	for _, i := range invalid {
		missing = append(missing, i.Error())
	}
	return nil, missing, invalid
}
