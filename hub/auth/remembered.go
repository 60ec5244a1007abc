package auth

import (
	"crypto/sha256"
	"sync"
)

// maxVerified bounds the memory of verified tokens; a token and its entry take some 200 bytes, and a reader's its claims too.
const maxVerified = 4096

// remembered is what was found out about tokens, so that a token's signature is not verified at each of its requests. It holds
// no token, only digests.
type remembered[V any] struct {
	mu sync.Mutex
	by map[[sha256.Size]byte]V
}

func (r *remembered[V]) get(token string) (V, bool) {
	digest := sha256.Sum256([]byte(token))
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.by[digest]
	return v, ok
}

func (r *remembered[V]) put(token string, v V) {
	digest := sha256.Sum256([]byte(token))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil || len(r.by) >= maxVerified {
		r.by = map[[sha256.Size]byte]V{} // signatures are checked again, once each
	}
	r.by[digest] = v
}
