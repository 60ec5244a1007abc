package auth

import (
	"crypto/sha256"
	"sync"
)

const (
	// maxVerified bounds the memory of verified tokens; a token and its entry take some 200 bytes.
	maxVerified = 4096
	// maxVerifiedBytes bounds the length of all verified tokens, since a reader's entry holds its claims too: ample for as many
	// tokens as maxVerified says, of a usual length.
	maxVerifiedBytes = 4 << 20
)

// remembered is what was found out about tokens, so that a token's signature is not verified at each of its requests. It holds
// no token, only digests.
type remembered[V any] struct {
	mu    sync.Mutex
	by    map[[sha256.Size]byte]V
	bytes int // length of all tokens
}

func (r *remembered[V]) get(digest [sha256.Size]byte) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.by[digest]
	return v, ok
}

// digestOf a token. It copies to memory that is not collected for nearly all tokens.
func digestOf(token string) [sha256.Size]byte {
	var room [2 << 10]byte
	return sha256.Sum256(append(room[:0], token...))
}

func (r *remembered[V]) put(token string, v V) {
	digest := digestOf(token)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil || len(r.by) >= maxVerified || r.bytes+len(token) > maxVerifiedBytes {
		r.by, r.bytes = map[[sha256.Size]byte]V{}, 0 // signatures are checked again, once each
	}
	if _, again := r.by[digest]; !again {
		r.bytes += len(token)
	}
	r.by[digest] = v
}
