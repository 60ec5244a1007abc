package scale

import (
	"maps"
	"sync"

	"github.com/runnel-dev/runnel/test/sandbox"
)

// Kind of call: a verb of Kubernetes on a resource.
type Kind struct{ Verb, Resource string }

// Writes says whether the call changes an object.
func (k Kind) Writes() bool {
	switch k.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	default:
		return false
	}
}

// Calls counts calls by their kinds.
type Calls map[Kind]int

// Writes counts those that change an object.
func (c Calls) Writes() (n int) {
	for kind, count := range c {
		if kind.Writes() {
			n += count
		}
	}
	return n
}

// Since is what came after before.
func (c Calls) Since(before Calls) Calls {
	out := Calls{}
	for kind, count := range c {
		if count > before[kind] {
			out[kind] = count - before[kind]
		}
	}
	return out
}

// counter counts the calls of one user, and of all others.
type counter struct {
	user string

	mu            sync.Mutex
	calls, others Calls
}

func (c *counter) tell(call sandbox.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if kind := (Kind{call.Verb, call.Resource}); call.User == c.user {
		c.calls[kind]++
	} else {
		c.others[kind]++
	}
}

func (c *counter) now() Calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// nowOthers counts the load's calls and those of the cluster's own controllers.
func (c *counter) nowOthers() Calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.others)
}
