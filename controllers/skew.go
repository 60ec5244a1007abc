package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// Hubs may be older than the operator, since their image is pinned. All hubs of a stream read the same ConfigMap, so it has a document that
// the oldest of them reads. What that version cannot express is left out, in a way that grants nothing more.

// skew is what of the configuration the stream's hubs are too old for.
type skew struct {
	// left out of the configuration; nothing if the hubs read all of it.
	left config.Additions
	// needed is the version that the whole configuration needs.
	needed int
	// oldest is the hub that the document is made for.
	oldest hubVersion
	// operators: the Deployment has the operator's image. follows: else it gets it when it is the stream's turn.
	operators, follows bool
}

// hubVersion is the newest version of the configuration that a hub reads.
type hubVersion struct {
	// pod is the name of the hub's pod; empty if no hub runs.
	pod     string
	version int
	// told: the hub has told its version. Else it is what the hub has now, or what hubs of the operator's own image read.
	told bool
	// runs: the hub can be asked.
	runs bool
}

// fit returns what the stream's hubs shall read of a configuration, for hubs of an image. A configuration that version 1 can express costs
// nothing.
func (r *Reconciler) fit(ctx context.Context, v *view, full *config.Config, image string) (*config.Config, error) {
	v.skew = skew{needed: r.additions.Needed(full), operators: image == r.HubImage, follows: r.policy(v) == v1alpha1.ImageFollowOperator}
	v.skew.oldest.version = 1
	if v.skew.needed > 1 {
		written, err := r.writtenVersion(ctx, v)
		if err != nil {
			return nil, err
		}
		if v.skew.needed > written {
			r.askHubs(ctx, v, slices.DeleteFunc(v.staysOn(), func(pod *corev1.Pod) bool { return r.versionOf(v, pod, 0).version > 0 || !answers(pod) }))
		}
		v.skew.oldest = r.oldest(v, written)
	}
	fitted, left, err := r.additions.Fit(full, v.skew.oldest.version)
	v.skew.left = left
	return fitted, err
}

// writtenVersion returns the version of the present document, by which hubs run that have not told theirs.
func (r *Reconciler) writtenVersion(ctx context.Context, v *view) (int, error) {
	cfg, err := r.writtenConfig(ctx, v.stream)
	if err != nil || cfg == nil {
		return 1, err
	}
	return cfg.Version, nil
}

// oldest returns the oldest of the stream's hubs. One that cannot be asked is sent nothing newer than what is written already.
func (r *Reconciler) oldest(v *view, written int) hubVersion {
	oldest := hubVersion{version: written}
	pods := v.staysOn()
	if len(pods) == 0 && r.runsOwn(v) {
		oldest.version = r.additions.Version()
	}
	for i, pod := range pods {
		if h := r.versionOf(v, pod, written); i == 0 || h.version < oldest.version {
			oldest = h
		}
	}
	return oldest
}

// versionOf returns what a hub reads: what it has told; nothing new if it ended since its document was too new; all if it is of the
// operator's own image; else otherwise.
func (r *Reconciler) versionOf(v *view, pod *corev1.Pod, otherwise int) hubVersion {
	h := hubVersion{pod: pod.Name, version: otherwise, runs: answers(pod)}
	told := r.known.of(client.ObjectKeyFromObject(v.stream)).versions[instance(pod)]
	switch {
	case told > 0:
		h.version, h.told = told, true
	case foundItTooNew(pod):
		h.version, h.told = 1, true
	case r.runsOwn(v):
		h.version = r.additions.Version()
	}
	return h
}

// runsOwn reports whether all hubs are of the operator's image, or the first one will be.
func (r *Reconciler) runsOwn(v *view) bool {
	if v.deployment == nil {
		return v.skew.operators && len(v.pods) == 0
	}
	return v.skew.operators && hubImage(v.deployment) == r.HubImage && !isRolling(v.deployment)
}

// outgrown reports whether the hubs have told meanwhile that they read another version than the document was made for.
func (r *Reconciler) outgrown(v *view) bool {
	s := v.skew
	return v.applied && s.needed > 1 && min(r.oldest(v, s.oldest.version).version, s.needed) != min(s.oldest.version, s.needed)
}

// staysOn are the pods whose files are still renewed: the kubelet leaves those alone of a pod that was told to go.
func (v *view) staysOn() []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(v.pods), func(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil })
}

// foundItTooNew reports whether the hub ended since the version of its document was newer than it knows.
func foundItTooNew(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		now, last := c.State.Terminated, c.LastTerminationState.Terminated
		return c.Name == render.HubContainer &&
			(now != nil && now.ExitCode == config.ExitVersion || last != nil && last.ExitCode == config.ExitVersion)
	})
}

// answers reports whether a hub may answer at its admin port.
func answers(pod *corev1.Pod) bool { return (isReady(pod) || isRunning(pod)) && pod.Status.PodIP != "" }

// answer is what a hub said of itself; nil is no answer.
type answer *HubStatus

// askHubs asks those of the hubs that were not asked in this reconciliation, and remembers what version they read.
func (r *Reconciler) askHubs(ctx context.Context, v *view, pods []*corev1.Pod) {
	answers := make([]answer, len(pods))
	var asking sync.WaitGroup
	for i, pod := range pods {
		if _, asked := v.answers[pod.Name]; asked {
			continue
		}
		asking.Go(func() {
			s, err := r.Hubs.Read(ctx, pod.Status.PodIP)
			if err != nil {
				log.FromContext(ctx).V(1).Info("Hub did not answer", "pod", pod.Name, "error", err.Error())
				return
			}
			answers[i] = &s
		})
	}
	asking.Wait()
	known := r.known.of(client.ObjectKeyFromObject(v.stream))
	for i, pod := range pods {
		if _, asked := v.answers[pod.Name]; asked {
			continue
		}
		if v.answers == nil {
			v.answers = map[string]answer{}
		}
		v.answers[pod.Name] = answers[i]
		if s := answers[i]; s != nil && r.additions.Version() > 1 { // else there is nothing that a hub could be too old for
			known.tell(instance(pod), max(1, s.ConfigVersion), v.pods)
		}
	}
}

// tell remembers the version that a hub reads, for as long as it is one of the stream's pods.
func (t *tracked) tell(hub string, version int, pods []*corev1.Pod) {
	kept := map[string]int{hub: version}
	for _, pod := range pods {
		if name := instance(pod); t.versions[name] > 0 && name != hub {
			kept[name] = t.versions[name]
		}
	}
	t.versions = kept
}

// tooOld says which fields the hubs are too old for, and what to do.
func (v *view) tooOld() finding {
	s := v.skew
	who := "hub " + s.oldest.pod
	if s.oldest.pod == "" {
		who = "the next hub"
	}
	message := fmt.Sprintf("%s reads version %d of the configuration and", who, s.oldest.version)
	if !s.oldest.told {
		message = fmt.Sprintf("%s has not told which version of the configuration it reads, gets version %d and", who, s.oldest.version)
	}
	message += fmt.Sprintf(" runs without what is newer, nor what that restricts: %s. ", list(s.left.Fields()))
	f := finding{status: metav1.ConditionFalse, reason: v1alpha1.ReasonHubTooOld}
	switch {
	case !s.oldest.told && !s.oldest.runs:
		f.reason, f.way = v1alpha1.ReasonReloading, underway
		message += "It is asked as soon as it runs"
	case s.operators && v.rolling():
		f.reason, f.way = v1alpha1.ReasonReloading, underway
		message += "It is being replaced by a hub of the operator's image"
	case !s.oldest.told:
		message += fmt.Sprintf("Let the operator reach port %d of the hub's pods", config.PortAdmin)
	case s.operators:
		message += "The operator's hub image is older than the operator: give the operator one of its own version by --hub-image"
	case s.follows:
		f.way = underway
		message += "It waits for its turn to be replaced by a hub of the operator's image"
	default:
		f.way = stalled
		message += fmt.Sprintf("Write imagePolicy: FollowOperator in the spec to have it replaced: kubectl -n %s patch evs %s --type merge -p '{\"spec\":{\"imagePolicy\":\"FollowOperator\"}}'",
			v.stream.Namespace, v.stream.Name)
	}
	f.message = message
	return f
}
