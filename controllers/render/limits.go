package render

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/hub/process"
)

// The memory that a hub needs besides its history. Both are upper bounds: an idle reader of the portable path (TLS, HTTP/2)
// takes at most 16 KiB, one on plain HTTP/1.1 a tenth of it.
const (
	hubBaseBytes       = process.BaseBytes
	hubConnectionBytes = process.PortableBytes
)

const mebibyte = 1 << 20

// limitProblems returns what is wrong between single limits that are each within their bounds.
func limitProblems(r Resolved) []string {
	if r.MaxEventSize <= r.RetentionBytes/2 {
		return nil
	}
	return []string{fmt.Sprintf("limits.maxEventSize: %d bytes is more than half of retention.bytes, %d bytes: lower maxEventSize, or raise retention.bytes to at least %d",
		r.MaxEventSize, r.RetentionBytes, 2*r.MaxEventSize)}
}

// resourceProblems returns why the hub's container could not be made, or would be killed when it takes what the spec lets it.
func resourceProblems(r Resolved) []string {
	var problems []string
	if len(r.Resources.Claims) > 0 {
		problems = append(problems, "template.resources.claims: a hub takes no device: leave it out")
	}
	for _, name := range sortedNames(r.Resources.Limits) {
		limit := r.Resources.Limits[name]
		if request, ok := r.Resources.Requests[name]; ok && request.Cmp(limit) > 0 {
			problems = append(problems, fmt.Sprintf("template.resources.requests.%s: %s is more than the limit, %s: lower the request or raise the limit",
				name, request.String(), limit.String()))
		}
	}
	limit, ok := r.Resources.Limits[corev1.ResourceMemory]
	if !ok {
		return problems
	}
	connections, lower := r.ConnectionsPerHub, "retention.bytes or limits.connectionsPerHub"
	if connections == 0 { // the hub serves as many as its memory allows, and at least so many
		connections, lower = process.MinReaders, "retention.bytes"
	}
	overhead := int64(hubBaseBytes) + int64(connections)*hubConnectionBytes
	if need := r.RetentionBytes + overhead; need > limit.Value() {
		problems = append(problems, fmt.Sprintf("template.resources.limits.memory: %s is less than the hub may need, %s: "+
			"retention.bytes %s and an overhead of %s (%s, and 16Ki for each of %d connections): raise the limit, or lower %s",
			limit.String(), mebibytes(need), mebibytes(r.RetentionBytes), mebibytes(overhead), mebibytes(hubBaseBytes), connections, lower))
	}
	return problems
}

// mebibytes writes n as a quantity, rounded up, so that what a message asks for is enough.
func mebibytes(n int64) string {
	return fmt.Sprintf("%dMi", (n+mebibyte-1)/mebibyte)
}

func sortedNames(l corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(l))
	for name := range l {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b corev1.ResourceName) int { return strings.Compare(string(a), string(b)) })
	return names
}
