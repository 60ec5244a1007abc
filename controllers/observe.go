package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/render"
)

// readDeployment reads the stream's own Deployment, if there is one.
func (r *Reconciler) readDeployment(ctx context.Context, v *view) error {
	d := &appsv1.Deployment{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: v.stream.Namespace, Name: render.HubName(v.stream.Name)}, d)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	r.known.of(client.ObjectKeyFromObject(v.stream)).written.newestDeployment(d)
	if apply.Has(v.stream, d) {
		v.pin = pinOf(d)
	}
	if metav1.IsControlledBy(d, v.stream) {
		v.deployment, v.image = d, cmp.Or(d.Annotations[imageAnnotation], hubImage(d))
	}
	return nil
}

// readPods reads the stream's pods whose processes have not ended, the oldest first.
func (r *Reconciler) readPods(ctx context.Context, v *view) error {
	list := &corev1.PodList{}
	err := r.Client.List(ctx, list, client.InNamespace(v.stream.Namespace), client.MatchingFields{hubIndex: v.stream.Name},
		client.DisableReadYourWritesConsistency) // the operator writes nothing of a pod that it reads
	if err != nil {
		return fmt.Errorf("hub's pods: %w", err)
	}
	for i := range list.Items {
		if pod := &list.Items[i]; !ended(pod) {
			v.pods = append(v.pods, pod)
		}
	}
	slices.SortFunc(v.pods, func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return nil
}

// observe looks at the stream's pods, asks those that run which configuration they have, and has the kubelet renew the files of
// those that have another, or miss something. It returns when to look again, or 0 if a watch triggers the next reconcile.
func (r *Reconciler) observe(ctx context.Context, v *view) (time.Duration, error) {
	if v.deployment == nil {
		return 0, nil // pods with the stream's label are then somebody else's
	}
	pods := slices.DeleteFunc(slices.Clone(v.pods), func(pod *corev1.Pod) bool {
		return pod.DeletionTimestamp != nil && !isReady(pod) // it drains
	})
	for _, pod := range pods {
		v.hubs = append(v.hubs, hub{name: pod.Name, ready: isReady(pod), leaving: pod.DeletionTimestamp != nil, failure: podFailure(pod)})
	}
	known := r.known.of(client.ObjectKeyFromObject(v.stream))
	r.ask(ctx, v, pods, known)
	return r.renew(ctx, v, pods, known)
}

// ask fills in what the hubs run, also those that are not ready: they may say why. One that has confirmed the wanted configuration
// is not asked again until its container changes: it takes up another one only when there is another one. Where it depends on what
// the operator does not see, the confirmation holds for a while.
func (r *Reconciler) ask(ctx context.Context, v *view, pods []*corev1.Pod, known *tracked) {
	now, confirmed := time.Now(), []confirmation(nil)
	var asked []*corev1.Pod
	for i, pod := range pods {
		h := &v.hubs[i]
		if !answers(pod) {
			continue
		}
		if c, ok := known.last(instance(pod)); ok {
			if c.holds(v, now) {
				h.confirmed = true
				confirmed = append(confirmed, c)
			}
			if h.confirmed || c.hash != v.configHash && known.hash != v.configHash { // not yet: it is to be told first
				h.asked, h.configHash = true, c.hash
				continue
			}
		}
		asked = append(asked, pod)
	}
	r.askHubs(ctx, v, asked)
	for i, pod := range pods {
		h := &v.hubs[i]
		if s := v.answers[pod.Name]; s != nil && slices.Contains(asked, pod) {
			h.asked, h.configHash, h.refusal, h.missing = true, s.ConfigHash, s.ConfigError, s.Missing
			h.restart, h.late = s.RestartNeeded, s.WatchError
			h.unaware = s.Role == startingRole && v.first == string(pod.UID)
		}
		if !h.confirmed && !h.unaware && h.late == "" && h.loaded(v.configHash) {
			confirmed = append(confirmed, confirmation{instance(pod), v.configHash, now})
		}
	}
	known.confirmed = confirmed
}

// renew nudges the kubelets of hubs that do not run the wanted configuration, or miss what it names.
func (r *Reconciler) renew(ctx context.Context, v *view, pods []*corev1.Pod, known *tracked) (time.Duration, error) {
	if v.stream.Spec.Suspend || v.configHash == "" {
		return 0, nil
	}
	var stale []*corev1.Pod
	pace, late, silent := patient, v.depends, false
	for i, h := range v.hubs {
		late = late || h.late != ""
		switch {
		case h.unaware:
		case h.leaving, h.loaded(v.configHash): // one that leaves has its files for the last time
			continue
		case !h.ready && len(h.missing) == 0:
			// That it gets ready, a watch tells; that it can say why it does not, nobody does.
			silent = silent || !h.asked && isRunning(pods[i])
			continue
		}
		stale = append(stale, pods[i])
		switch {
		case !h.asked, h.refusal != "":
		case h.configHash != v.configHash, h.unaware:
			pace = hasty
		case pace == patient:
			pace = waiting
		}
	}
	if len(stale) == 0 && silent {
		_, wait := known.due(v.configHash, waiting, time.Now())
		return wait, nil
	}
	if len(stale) == 0 {
		known.done()
		if late {
			return confirmationAge, nil
		}
		return 0, nil
	}
	now := time.Now()
	value, wait := known.due(v.configHash, pace, now)
	if left := known.moment(now); pace == hasty && left > 0 {
		v.passing, wait = true, min(wait, left)
	}
	if value == "" {
		return wait, nil
	}
	for _, pod := range stale {
		if err := r.nudge(ctx, pod, value); err != nil {
			return 0, err
		}
	}
	return wait, nil
}

// isReady says whether the kubelet sends the pod traffic.
func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// isRunning says whether the hub's container runs, ready or not.
func isRunning(pod *corev1.Pod) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == render.HubContainer {
			return c.State.Running != nil
		}
	}
	return false
}

// podFailure is why a pod that is not ready will hardly become so, as the end of a sentence; empty if it may. What changes
// with every try, such as counts and delays, is left out.
func podFailure(pod *corev1.Pod) string {
	if isReady(pod) {
		return ""
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return "finds no node: " + c.Message
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Waiting != nil {
			switch c.State.Waiting.Reason {
			case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName":
				return "cannot pull image " + c.Image
			case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
				return "cannot start: " + c.State.Waiting.Message
			}
		}
		ended := c.State.Terminated
		if ended == nil {
			ended = c.LastTerminationState.Terminated
		}
		if ended != nil {
			return fmt.Sprintf("ended with exit code %d (%s) and is started again", ended.ExitCode, ended.Reason)
		}
	}
	return ""
}

// instance names one run of a pod's container: another one reads its configuration anew.
func instance(pod *corev1.Pod) string {
	name := string(pod.UID)
	for _, c := range pod.Status.ContainerStatuses {
		name += fmt.Sprintf("/%s/%d", c.ContainerID, c.RestartCount)
	}
	return name
}
