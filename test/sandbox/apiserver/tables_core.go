package apiserver

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func namespaceTable() table {
	return newTable("Name|Status|Age", func(n *corev1.Namespace) []any { return []any{n.Name, string(n.Status.Phase), age(n)} })
}

func configMapTable() table {
	return newTable("Name|Data|Age", func(c *corev1.ConfigMap) []any { return []any{c.Name, int64(len(c.Data) + len(c.BinaryData)), age(c)} })
}

func secretTable() table {
	return newTable("Name|Type|Data|Age", func(s *corev1.Secret) []any { return []any{s.Name, string(s.Type), int64(len(s.Data)), age(s)} })
}

func serviceAccountTable() table {
	return newTable("Name|Secrets|Age", func(s *corev1.ServiceAccount) []any { return []any{s.Name, int64(len(s.Secrets)), age(s)} })
}

func serviceTable() table {
	return newTable("Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector", func(s *corev1.Service) []any {
		external := orNone(strings.Join(s.Spec.ExternalIPs, ","))
		switch s.Spec.Type {
		case corev1.ServiceTypeExternalName:
			external = s.Spec.ExternalName
		case corev1.ServiceTypeLoadBalancer:
			external = "<pending>"
			if in := s.Status.LoadBalancer.Ingress; len(in) > 0 {
				external = in[0].IP + in[0].Hostname
			}
		}
		var ports []string
		for _, p := range s.Spec.Ports {
			ports = append(ports, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
		}
		return []any{s.Name, string(s.Spec.Type), orNone(s.Spec.ClusterIP), external, orNone(strings.Join(ports, ",")), age(s), labelsText(s.Spec.Selector)}
	})
}

func nodeTable() table {
	return newTable("Name|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|+Container-Runtime", func(n *corev1.Node) []any {
		status := "Unknown"
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady {
				status = map[bool]string{true: "Ready", false: "NotReady"}[c.Status == corev1.ConditionTrue]
			}
		}
		if n.Spec.Unschedulable {
			status += ",SchedulingDisabled"
		}
		var roles []string
		for key := range n.Labels {
			if role, ok := strings.CutPrefix(key, "node-role.kubernetes.io/"); ok && role != "" {
				roles = append(roles, role)
			}
		}
		slices.Sort(roles)
		address := func(t corev1.NodeAddressType) string {
			for _, a := range n.Status.Addresses {
				if a.Type == t {
					return a.Address
				}
			}
			return none
		}
		i := n.Status.NodeInfo
		return []any{
			n.Name, status, orNone(strings.Join(roles, ",")), age(n), i.KubeletVersion, address(corev1.NodeInternalIP),
			address(corev1.NodeExternalIP), orNone(i.OSImage), orNone(i.KernelVersion), orNone(i.ContainerRuntimeVersion),
		}
	})
}

func eventTable() table {
	return newTable("Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name", func(e *corev1.Event) []any {
		first, last, count := e.FirstTimestamp, e.LastTimestamp, e.Count
		if first.IsZero() {
			first = metav1.NewTime(e.EventTime.Time)
		}
		if e.Series != nil {
			last, count = metav1.NewTime(e.Series.LastObservedTime.Time), e.Series.Count
		} else if last.IsZero() {
			last = first
		}
		source := e.Source.Component
		if source == "" {
			source = e.ReportingController
		}
		object := strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name
		return []any{since(last), e.Type, e.Reason, object, e.InvolvedObject.FieldPath, source, strings.TrimSpace(e.Message), since(first), int64(max(1, count)), e.Name}
	})
}

func podTable() table {
	return newTable("Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates", func(p *corev1.Pod) []any {
		var readyCount, restarts int32
		var lastRestart metav1.Time
		for _, c := range p.Status.ContainerStatuses {
			restarts += c.RestartCount
			if c.Ready && c.State.Running != nil {
				readyCount++
			}
			if t := c.LastTerminationState.Terminated; t != nil && lastRestart.Before(&t.FinishedAt) {
				lastRestart = t.FinishedAt
			}
		}
		text := fmt.Sprint(restarts)
		if restarts > 0 && !lastRestart.IsZero() {
			text += " (" + since(lastRestart) + " ago)"
		}
		return []any{
			p.Name, ratio(readyCount, int32(len(p.Spec.Containers))), podStatus(p), text, age(p),
			orNone(p.Status.PodIP), orNone(p.Spec.NodeName), orNone(p.Status.NominatedNodeName), none,
		}
	})
}

// podStatus sums up a pod in one word: the worst that one of its containers says, or its phase.
func podStatus(p *corev1.Pod) string {
	status := string(p.Status.Phase)
	if p.Status.Reason != "" {
		status = p.Status.Reason
	}
	for i, c := range p.Status.InitContainerStatuses {
		word := containerWord(c)
		if c.State.Terminated != nil && c.State.Terminated.ExitCode == 0 || c.Started != nil && *c.Started {
			continue
		}
		if word == "" || word == "PodInitializing" {
			return fmt.Sprintf("Init:%d/%d", i, len(p.Spec.InitContainers))
		}
		return "Init:" + word
	}
	running := false
	for _, c := range slices.Backward(p.Status.ContainerStatuses) {
		if word := containerWord(c); word != "" {
			status = word
		} else if c.Ready {
			running = true
		}
	}
	if status == "Completed" && running {
		status = "NotReady"
		if ready(p) {
			status = "Running"
		}
	}
	switch {
	case p.DeletionTimestamp == nil:
		return status
	case p.Status.Reason == "NodeLost":
		return "Unknown"
	case finished(p):
		return status
	}
	return "Terminating"
}

// containerWord says why a container does not run, and nothing of one that does.
func containerWord(c corev1.ContainerStatus) string {
	switch t := c.State.Terminated; {
	case c.State.Waiting != nil:
		return c.State.Waiting.Reason
	case t == nil:
		return ""
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	default:
		return fmt.Sprintf("ExitCode:%d", t.ExitCode)
	}
}
