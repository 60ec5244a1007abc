package peer

import (
	"crypto/sha256"
	"sync"
)

// shown knows the tokens that a hub showed to those it asked. Whoever was asked has seen one, be it a stranger at an address that was a
// hub's a moment ago: it proves nothing when it comes back. The kubelet renews a token at four fifths of its life, so at most the two
// newest are good.
type shown struct {
	mu    sync.Mutex
	known [2]digest // the newest first
}

type digest [sha256.Size]byte

// note that a token is shown.
func (s *shown) note(token string) {
	now := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[0] != now {
		s.known = [2]digest{now, s.known[0]}
	}
}

// has says whether a token was shown.
func (s *shown) has(token string) bool {
	is := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[0] == is || s.known[1] == is
}
