package peer

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/runnel-dev/runnel/hub/auth"
)

// maxToken bounds a token's file; what is longer is no token.
const maxToken = 16 << 10

// TokenFile is the path of a projected token. The kubelet puts a new one there long before the old one expires, so it is read each time.
type TokenFile string

// Token implements a part of Credentials.
func (f TokenFile) Token() (string, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return "", fmt.Errorf("the hub's own token: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxToken))
	if err != nil {
		return "", fmt.Errorf("the hub's own token: %w", err)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || bytes.ContainsAny(text, " \t\r\n") {
		return "", fmt.Errorf("the hub's own token: %s holds none", string(f))
	}
	return string(text), nil
}

// FileCredentials are a token in a file, and the peers that a configuration names.
type FileCredentials struct {
	TokenFile
	*auth.Peers
}
