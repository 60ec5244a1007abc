package workload

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// expectationLife ends a wait for an event that never came; five minutes, as in Kubernetes.
const expectationLife = 5 * time.Minute

// expectations remember which creations and deletions the cache does not show yet, so that a ReplicaSet is not counted
// from a cache that is behind its own writes, and makes no pod twice.
type expectations struct {
	mu  sync.Mutex
	set map[string]*expectation // by the ReplicaSet's namespace/name
}

type expectation struct {
	creations int
	deletions map[types.UID]bool
	since     time.Time
}

func (e *expectations) of(key string) *expectation {
	if e.set == nil {
		e.set = map[string]*expectation{}
	}
	x := e.set[key]
	if x == nil {
		x = &expectation{deletions: map[types.UID]bool{}}
		e.set[key] = x
	}
	return x
}

// expectCreation is to be called before the creation, since its event may arrive before the answer.
func (e *expectations) expectCreation(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.of(key)
	x.creations, x.since = x.creations+1, time.Now()
}

func (e *expectations) created(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.set[key]; x != nil && x.creations > 0 {
		x.creations--
	}
}

// expectDeletion is to be called before the deletion.
func (e *expectations) expectDeletion(key string, uid types.UID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.of(key)
	x.deletions[uid], x.since = true, time.Now()
}

func (e *expectations) deleted(key string, uid types.UID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.set[key]; x != nil {
		delete(x.deletions, uid)
	}
}

// met says whether the cache shows all that was done to this ReplicaSet's pods.
func (e *expectations) met(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.set[key]
	return x == nil || (x.creations == 0 && len(x.deletions) == 0) || time.Since(x.since) > expectationLife
}

func (e *expectations) forget(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.set, key)
}
