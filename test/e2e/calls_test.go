package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/sandbox"
)

// calls is what the API server was asked.
var calls callLog

// callLog keeps every call.
type callLog struct {
	mu  sync.Mutex
	all []sandbox.Call
}

func (l *callLog) tell(c sandbox.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, c)
}

// mark is the number of calls so far.
func (l *callLog) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// writes are those of a user since a mark. To renew a lease says that the operator lives; a review asks a question about who reads
// its metrics.
func (l *callLog) writes(user string, mark int) (writes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.all[mark:] {
		switch {
		case c.User != user, slices.Contains([]string{"get", "list", "watch"}, c.Verb):
		case c.Resource == "leases", c.Resource == "tokenreviews", c.Resource == "subjectaccessreviews":
		default:
			writes = append(writes, fmt.Sprintf("%s %s: %d", c.Verb, c.Resource, c.Code))
		}
	}
	return writes
}

// follows are the resources that a user has listed or watched, or has tried to, each once and sorted.
func (l *callLog) follows(user string) (resources []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.all {
		if c.User == user && (c.Verb == "list" || c.Verb == "watch") {
			resources = append(resources, c.Resource)
		}
	}
	slices.Sort(resources)
	return slices.Compact(resources)
}

// operatorUser is who the operator is to the API server.
func operatorUser(ctx context.Context) string {
	GinkgoHelper()
	pod, err := operatorPod(ctx)
	Expect(err).NotTo(HaveOccurred())
	return "system:serviceaccount:" + pod.Namespace + ":" + pod.Spec.ServiceAccountName
}
