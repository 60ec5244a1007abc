package apiserver_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// podLogs stands for a node: a log of one line that says what was asked.
type podLogs struct{}

func (*podLogs) open(_ context.Context, namespace, pod, container string, o *corev1.PodLogOptions) (io.ReadCloser, error) {
	tail := int64(-1)
	if o.TailLines != nil {
		tail = *o.TailLines
	}
	return io.NopCloser(strings.NewReader(fmt.Sprintf("%s/%s/%s tail %d previous %t\n", namespace, pod, container, tail, o.Previous))), nil
}
