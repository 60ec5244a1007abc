package e2e_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/suite"
)

// history follows a stream's pods, and misses no state of them.
type history struct {
	watch watch.Interface
	done  chan struct{}
	// there are the pods that are not gone, as they were last. The goroutine that follows owns it, and what follows below until done.
	there map[types.UID]*corev1.Pod
	logs  []hubLog

	// staying is the largest number of pods at a time that were not on their way out, serving the smallest number of those that
	// were ready, on their way out or not.
	staying, serving int
	// hubs is how many there were in all.
	hubs int
	// badly says of each hub that ended otherwise than with success how it did.
	badly []string
}

// hubLog is a hub's log, which is still there when its pod is gone.
type hubLog struct {
	pod  string
	file *os.File
}

// follow begins a history of a stream that has a hub that is ready. When the spec has failed, the hubs' logs are kept.
func (s *stream) follow(ctx context.Context) *history {
	GinkgoHelper()
	c, err := client.NewWithWatch(p.Config, client.Options{Scheme: p.Client.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	list := &corev1.PodList{}
	of := []client.ListOption{client.InNamespace(s.key.Namespace), client.MatchingLabels(render.Selector(s.key.Name))}
	Expect(c.List(ctx, list, of...)).To(Succeed())
	h := &history{done: make(chan struct{}), there: map[types.UID]*corev1.Pod{}, serving: len(list.Items)}
	for i := range list.Items {
		h.see(watch.Added, &list.Items[i])
	}
	h.weigh()
	h.watch, err = c.Watch(context.WithoutCancel(ctx), &corev1.PodList{}, append(of, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})...)
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer close(h.done)
		for e := range h.watch.ResultChan() {
			if pod, ok := e.Object.(*corev1.Pod); ok {
				h.see(e.Type, pod)
				h.weigh()
			}
		}
	}()
	DeferCleanup(func() {
		h.end()
		var all strings.Builder
		for _, l := range h.logs {
			fmt.Fprintf(&all, "%s:\n%s\n", l.pod, l.text())
			_ = l.file.Close() // it was only read
		}
		if CurrentSpecReport().Failed() {
			suite.Keep("logs of the hubs", all.String())
		}
	})
	return h
}

// end ends it; from then on its fields may be read. It may be called more than once.
func (h *history) end() *history {
	h.watch.Stop()
	<-h.done
	return h
}

func (h *history) see(kind watch.EventType, pod *corev1.Pod) {
	before, known := h.there[pod.UID]
	if !known && kind != watch.Deleted {
		h.hubs++
	}
	if ready(pod) && (!known || !ready(before)) {
		h.keepLog(pod)
	}
	h.there[pod.UID] = pod
	for _, c := range pod.Status.ContainerStatuses {
		ended := c.State.Terminated
		if ended == nil {
			ended = c.LastTerminationState.Terminated
		}
		if ended != nil && (ended.ExitCode != 0 || c.RestartCount > 0) && (known && kind == watch.Deleted || c.RestartCount > 0) {
			h.badly = append(h.badly, fmt.Sprintf("%s ended with %d (%s)", pod.Name, ended.ExitCode, ended.Reason))
		}
	}
	if kind == watch.Deleted {
		delete(h.there, pod.UID)
	}
}

// weigh takes the numbers of the present state.
func (h *history) weigh() {
	staying, serving := 0, 0
	for _, pod := range h.there {
		if pod.DeletionTimestamp == nil {
			staying++
		}
		if ready(pod) {
			serving++
		}
	}
	h.staying, h.serving = max(h.staying, staying), min(h.serving, serving)
}

func (h *history) keepLog(pod *corev1.Pod) {
	if at, err := p.Node.LogFile(pod.Namespace, pod.Name, ""); err == nil {
		if file, err := os.Open(at); err == nil {
			h.logs = append(h.logs, hubLog{pod.Name, file})
		}
	}
}

func (l hubLog) text() string {
	all, err := io.ReadAll(l.file)
	if err != nil {
		return err.Error()
	}
	return string(all)
}

// ready is the pod's condition.
func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
