package kubelet

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// view is what a pod's status is made of.
type view struct {
	pod            *corev1.Pod
	conditions     []corev1.PodCondition // as published last, for the times of their transitions
	ip             string
	start          metav1.Time
	mounted        bool // its address and volumes are there
	inits          []corev1.ContainerStatus
	containers     []corev1.ContainerStatus
	initsMayBegin  bool // again, after they failed
	containersMay  bool // begin again, after all of them ended
	initsCompleted bool
}

// status is the view of the worker's own pod.
func (w *worker) status() corev1.PodStatus {
	v := view{pod: w.pod, conditions: w.conditions, ip: w.ip, start: w.start, mounted: w.mounted, initsCompleted: true}
	stopping := w.terminating || w.gone || w.pod.DeletionTimestamp != nil
	for _, c := range w.containers {
		s := c.status()
		if c.init {
			s.Ready = c.terminated != nil && c.terminated.ExitCode == 0
			v.initsCompleted = v.initsCompleted && s.Ready
			v.initsMayBegin = v.initsMayBegin || (!stopping && !c.over(w.spec.RestartPolicy))
			v.inits = append(v.inits, s)
			continue
		}
		v.containersMay = v.containersMay || (!stopping && !c.over(w.spec.RestartPolicy))
		v.containers = append(v.containers, s)
	}
	status := podStatus(v, metav1.Now())
	w.conditions = status.Conditions
	return status
}

func (c *container) status() corev1.ContainerStatus {
	s := corev1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, ImageID: c.spec.Image, ContainerID: c.id,
		Ready: c.ready, Started: new(c.started), RestartCount: max(0, c.runs-1),
	}
	switch {
	case c.process != nil:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(c.began)}
	case c.waiting != nil:
		s.State.Waiting = c.waiting
		s.LastTerminationState.Terminated = c.terminated
	default:
		s.State.Terminated = c.terminated
	}
	if s.LastTerminationState.Terminated == nil {
		s.LastTerminationState.Terminated = c.last
	}
	return s
}

// podStatus is the pod's status as a kubelet computes it.
func podStatus(v view, now metav1.Time) corev1.PodStatus {
	s := corev1.PodStatus{
		Phase: phase(v), StartTime: &v.start, ObservedGeneration: v.pod.Generation,
		HostIP: hostIP, HostIPs: []corev1.HostIP{{IP: hostIP}},
		InitContainerStatuses: v.inits, ContainerStatuses: v.containers,
		QOSClass: v.pod.Status.QOSClass,
	}
	if v.ip != "" {
		s.PodIP, s.PodIPs = v.ip, []corev1.PodIP{{IP: v.ip}}
	}
	set := func(t corev1.PodConditionType, ok bool, reason, message string) {
		c := corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: now, ObservedGeneration: v.pod.Generation}
		if !ok {
			c.Status, c.Reason, c.Message = corev1.ConditionFalse, reason, message
		}
		for _, old := range v.conditions {
			if old.Type == t && old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
		}
		s.Conditions = append(s.Conditions, c)
	}
	set(corev1.PodScheduled, true, "", "")
	set(corev1.PodReadyToStartContainers, v.mounted, "", "")
	set(corev1.PodInitialized, len(v.inits) == 0 || v.initsCompleted, "ContainersNotInitialized", "containers with incomplete status: "+names(v.inits, func(c *corev1.ContainerStatus) bool { return !c.Ready }))
	ready, reason, message := containersReady(v, s.Phase)
	set(corev1.ContainersReady, ready, reason, message)
	if missing := gates(v.pod); ready && missing != "" {
		ready, reason, message = false, "ReadinessGatesNotReady", missing
	}
	set(corev1.PodReady, ready, reason, message)
	return s
}

func containersReady(v view, phase corev1.PodPhase) (ok bool, reason, message string) {
	switch phase {
	case corev1.PodSucceeded:
		return false, "PodCompleted", ""
	case corev1.PodFailed:
		return false, "PodFailed", ""
	}
	unready := names(v.containers, func(c *corev1.ContainerStatus) bool { return !c.Ready })
	return unready == "[]", "ContainersNotReady", "containers with unready status: " + unready
}

// gates names the readiness gates whose condition, which somebody else writes, is not true.
func gates(pod *corev1.Pod) string {
	var missing []string
	for _, g := range pod.Spec.ReadinessGates {
		met := false
		for _, c := range pod.Status.Conditions {
			met = met || (c.Type == g.ConditionType && c.Status == corev1.ConditionTrue)
		}
		if !met {
			missing = append(missing, "the status of pod readiness gate \""+string(g.ConditionType)+"\" is not \"True\"")
		}
	}
	return strings.Join(missing, ", ")
}

func names(list []corev1.ContainerStatus, which func(*corev1.ContainerStatus) bool) string {
	var out []string
	for i := range list {
		if which(&list[i]) {
			out = append(out, list[i].Name)
		}
	}
	return "[" + strings.Join(out, " ") + "]"
}

// phase is Pending until every container was started, Running as long as one runs or may run again, and then says
// whether all ended well.
func phase(v view) corev1.PodPhase {
	failed := false
	for i := range v.inits {
		if t := v.inits[i].State.Terminated; t != nil && t.ExitCode != 0 {
			failed = true
		}
	}
	if failed && !v.initsMayBegin {
		return corev1.PodFailed
	}
	running, ended := false, 0
	for i := range v.containers {
		c := &v.containers[i]
		switch {
		case c.State.Running != nil:
			running = true
		case c.State.Terminated != nil:
			ended++
			failed = failed || c.State.Terminated.ExitCode != 0
		case c.LastTerminationState.Terminated != nil: // backs off
			running = true
		default:
			return corev1.PodPending
		}
	}
	switch {
	case running || (ended > 0 && v.containersMay):
		return corev1.PodRunning
	case failed:
		return corev1.PodFailed
	case ended == len(v.containers):
		return corev1.PodSucceeded
	}
	return corev1.PodPending
}
