package controllers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

// patience bounds the wait for one answer. It is many times what a slow and busy machine takes, and only a failing test waits so long.
const patience = 2 * time.Minute

func TestAdminPortReadsAHubsStatus(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   HubStatus
		err    string
	}{
		"it runs a configuration": {200, `{"configHash":"a","epoch":"k3f9a2xq"}`, HubStatus{ConfigHash: "a"}, ""},
		"it refused the newest":   {200, `{"configHash":"a","configError":"topics: bad"}`, HubStatus{ConfigHash: "a", ConfigError: "topics: bad"}, ""},
		"it misses something":     {200, `{"configHash":"a","missing":["Secret b, key c"]}`, HubStatus{ConfigHash: "a", Missing: []string{"Secret b, key c"}}, ""},
		"it must start anew": {200, `{"configHash":"a","restartNeeded":"tls is new","watchError":"too many open files"}`,
			HubStatus{ConfigHash: "a", RestartNeeded: "tls is new", WatchError: "too many open files"}, ""},
		"it is no hub":                {200, `{}`, HubStatus{}, "configHash"},
		"it has no such page":         {404, `{"configHash":"a"}`, HubStatus{}, "404"},
		"it answers without end":      {200, `{"configHash":"` + strings.Repeat("a", hubAnswerBytes), HubStatus{}, "unexpected EOF"},
		"it answers something else":   {200, `<html>`, HubStatus{}, "invalid character"},
		"it redirects to the outside": {302, ``, HubStatus{}, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/status" {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			port := NewAdminPort()
			port.http.Timeout = patience
			s, err := port.read(t.Context(), strings.TrimPrefix(server.URL, "http://"))
			if c.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(c.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s).To(Equal(c.want))
		})
	}
}

func TestNudgesBackOff(t *testing.T) {
	g := NewWithT(t)
	now := time.Unix(0, 0)
	known := &tracked{}
	value, wait := known.due("a", hasty, now)
	g.Expect(value).To(Equal("a"))
	g.Expect(wait).To(Equal(200 * time.Millisecond))
	value, wait = known.due("a", hasty, now.Add(50*time.Millisecond))
	g.Expect(value).To(BeEmpty(), "not before its time")
	g.Expect(wait).To(Equal(150 * time.Millisecond))

	seen := map[string]bool{"a": true}
	for range 20 {
		now = now.Add(known.next.Sub(now))
		value, wait = known.due("a", hasty, now)
		g.Expect(seen[value]).To(BeFalse(), "a kubelet sees only what changes")
		seen[value] = true
	}
	g.Expect(wait).To(Equal(10 * time.Second))

	value, wait = known.due("b", hasty, now)
	g.Expect(value).To(Equal("b"), "another configuration begins anew")
	g.Expect(wait).To(Equal(200 * time.Millisecond))
}

func TestHubsThatCannotBeAskedAreLeftInPeace(t *testing.T) {
	g := NewWithT(t)
	now, nudges := time.Unix(0, 0), 0
	known := &tracked{}
	var wait time.Duration
	for range 40 {
		var value string
		value, wait = known.due("a", patient, now)
		if value != "" {
			nudges++
		}
		now = now.Add(wait)
	}
	g.Expect(nudges).To(Equal(patientNudges))
	g.Expect(wait).To(Equal(5 * time.Minute))
}

func TestHubsThatMissSomethingAreLookedAtSooner(t *testing.T) {
	g := NewWithT(t)
	now, nudges := time.Unix(0, 0), 0
	known := &tracked{}
	var wait time.Duration
	for range 40 {
		var value string
		value, wait = known.due("a", waiting, now)
		if value != "" {
			nudges++
		}
		now = now.Add(wait)
	}
	g.Expect(nudges).To(Equal(patientNudges))
	g.Expect(wait).To(Equal(30 * time.Second))
}

func TestPodFailure(t *testing.T) {
	waiting := func(reason, message string) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Image: "runnel:9", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}}
	}
	restarted := waiting("CrashLoopBackOff", "back-off 20s restarting failed container")
	restarted.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}
	running := corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{LastTerminationState: restarted.ContainerStatuses[0].LastTerminationState}}}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   string
	}{
		"it is starting":      {waiting("ContainerCreating", ""), ""},
		"no image":            {waiting("ImagePullBackOff", "Back-off pulling"), "cannot pull image runnel:9"},
		"no image, seen once": {waiting("ErrImagePull", "rpc error"), "cannot pull image runnel:9"},
		"no start":            {waiting("CreateContainerConfigError", "configmap not found"), "cannot start: configmap not found"},
		"it keeps ending":     {restarted, "ended with exit code 137 (OOMKilled) and is started again"},
		"it runs once more":   {running, "ended with exit code 137 (OOMKilled) and is started again"},
		"no node": {corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes",
		}}}, "finds no node: 0/3 nodes"},
		"it recovered": {corev1.PodStatus{
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: running.ContainerStatuses,
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(podFailure(&corev1.Pod{Status: c.status})).To(Equal(c.want))
		})
	}
}
