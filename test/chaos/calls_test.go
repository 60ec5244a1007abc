package chaos_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/runnel-dev/runnel/test/sandbox"
)

// callLog keeps what the API server was asked to write for streams.
type callLog struct {
	mu     sync.Mutex
	writes []string
}

// tell keeps writes of the operators but for their lease and what they tell of it.
func (l *callLog) tell(c sandbox.Call) {
	own := []string{"leases", "events", "tokenreviews", "subjectaccessreviews"}
	if !strings.HasPrefix(c.User, "system:serviceaccount:"+operatorNamespace+":") || slices.Contains([]string{"get", "list", "watch"}, c.Verb) || slices.Contains(own, c.Resource) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, fmt.Sprintf("%s %s: %d", c.Verb, c.Resource, c.Code))
}

// take returns what was written since it was last called.
func (l *callLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	writes := l.writes
	l.writes = nil
	return writes
}
