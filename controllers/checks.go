package controllers

import (
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// finding is what one check found. Its message is stable: the same state of the world gives the same words.
type finding struct {
	status          metav1.ConditionStatus
	reason, message string
	// way says whether the state is for the moment.
	way way
}

// way a state goes on by itself.
type way int

const (
	settled way = iota
	// underway: it will change without anybody's doing.
	underway
	// stalled: it will not, before somebody changes the spec or what stands against it.
	stalled
)

// findings holds the checks in the order in which Ready names the first that fails.
func (v *view) findings() map[string]finding {
	accepted, available, loaded := v.accepted(), v.available(), v.configLoaded()
	ready := finding{metav1.ConditionTrue, v1alpha1.ReasonReady, "the stream serves as its spec says", settled}
	switch {
	case accepted.status != metav1.ConditionTrue:
		ready = accepted
	case available.status != metav1.ConditionTrue:
		ready = available
	case v.held():
		ready = v.paused()
	case loaded.status == metav1.ConditionFalse && !v.stuck(loaded, available): // an operator that cannot reach an admin port says nothing against the hub
		ready = loaded
	case available.way == underway:
		ready = v.replacing()
	}
	all := map[string]finding{
		v1alpha1.ConditionAccepted:     accepted,
		v1alpha1.ConditionAvailable:    available,
		v1alpha1.ConditionConfigLoaded: loaded,
		v1alpha1.ConditionReady:        ready,
	}
	switch ready.way {
	case underway:
		all[v1alpha1.ConditionReconciling] = finding{metav1.ConditionTrue, ready.reason, ready.message, underway}
	case stalled:
		all[v1alpha1.ConditionStalled] = finding{metav1.ConditionTrue, ready.reason, ready.message, stalled}
	}
	return all
}

// stuck reports whether the hub does not get ready that shall replace one which cannot load its configuration.
func (v *view) stuck(loaded, available finding) bool {
	return loaded.way == underway && available.way == underway && v.overdue()
}

// accepted: can the spec be carried out?
func (v *view) accepted() finding {
	var invalid *render.InvalidError
	var conflict *apply.ConflictError
	var leftover *apply.LeftoverError
	switch {
	case v.stream.Spec.Suspend:
		return finding{metav1.ConditionUnknown, v1alpha1.ReasonSuspended,
			"spec.suspend is true: changes are not carried out, and the hub goes on as it is", settled}
	case v.problem == nil:
		return finding{metav1.ConditionTrue, v1alpha1.ReasonAccepted, "the spec is carried out", settled}
	case errors.As(v.problem, &conflict):
		return finding{metav1.ConditionFalse, v1alpha1.ReasonNameConflict, v.problem.Error(), stalled}
	case errors.As(v.problem, &leftover):
		return finding{metav1.ConditionFalse, v1alpha1.ReasonProgressing, v.problem.Error(), underway}
	case errors.As(v.problem, &invalid), isInvalid(v.problem):
		return finding{metav1.ConditionFalse, v1alpha1.ReasonInvalid, v.problem.Error(), stalled}
	default:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonRefused, v.problem.Error(), settled}
	}
}

// available: does a hub serve?
func (v *view) available() finding {
	if v.deployment == nil {
		if v.problem != nil || v.stream.Spec.Suspend {
			return finding{metav1.ConditionFalse, v1alpha1.ReasonUnavailable, "there is no hub", settled}
		}
		return finding{metav1.ConditionFalse, v1alpha1.ReasonProgressing, "the hub is being made", underway}
	}
	if n := len(v.serving()); n > 0 {
		wanted := int(desired(v.deployment))
		f := finding{metav1.ConditionTrue, v1alpha1.ReasonAvailable, fmt.Sprintf("%d of %d hubs serve", min(n, wanted), wanted), settled}
		if v.rolling() || v.ready() == 0 {
			f.way = underway
		}
		return f
	}
	if names := v.missingCertificate(); len(names) > 0 && !v.rolling() {
		return finding{metav1.ConditionFalse, v1alpha1.ReasonSecretMissing,
			"no hub serves without its certificate: " + v.toBeMade(names), settled}
	}
	message := v.failure()
	switch {
	case v.held():
		return v.paused()
	case v.overdue() && message == "":
		return finding{metav1.ConditionFalse, v1alpha1.ReasonUnavailable, "the hub's pod did not get ready in time", stalled}
	case v.overdue():
		return finding{metav1.ConditionFalse, v1alpha1.ReasonUnavailable, message, stalled}
	case message != "":
		return finding{metav1.ConditionFalse, v1alpha1.ReasonUnavailable, message, settled}
	}
	return finding{metav1.ConditionFalse, v1alpha1.ReasonProgressing, "the hub is being started", underway}
}

// takingUp says whether nothing is wrong but that hubs are taking up a configuration of a moment ago. The status that is there speaks
// of another configuration, by name, and so is no lie meanwhile; where it is of another spec, its generation says that it is old.
func (v *view) takingUp() bool {
	if !v.passing || v.stream.Status.ConfigHash == v.configHash {
		return false
	}
	available, loaded := v.available(), v.configLoaded()
	return v.accepted().status == metav1.ConditionTrue && available.status == metav1.ConditionTrue &&
		available.way == settled && loaded.reason == v1alpha1.ReasonReloading
}

// replacing says how it goes with the hub that shall replace one that serves.
func (v *view) replacing() finding {
	message := "the hub is being replaced, and goes on serving until the next one has taken over"
	if failure := v.failure(); failure != "" {
		message += "; " + failure
	}
	if v.overdue() {
		return finding{metav1.ConditionFalse, v1alpha1.ReasonProgressDeadlineExceeded,
			message + "; it did not get ready in the time that its Deployment gives it", stalled}
	}
	return finding{metav1.ConditionFalse, v1alpha1.ReasonProgressing, message, underway}
}

// paused says how somebody's pause of the rollout ends.
func (v *view) paused() finding {
	return finding{metav1.ConditionFalse, v1alpha1.ReasonPaused, fmt.Sprintf("the hub's Deployment is paused, and a change of its pods waits: kubectl -n %s rollout resume deployment/%s",
		v.stream.Namespace, render.HubName(v.stream.Name)), stalled}
}

// failure is why a hub does not get ready, the newest first, or empty if each may yet.
func (v *view) failure() string {
	for _, h := range slices.Backward(v.staying()) {
		if h.failure != "" {
			return "the hub's pod " + h.failure
		}
	}
	for _, c := range v.deployment.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue || c.Reason == replicaSetCreateError {
			return "the hub's pod cannot be made: " + c.Message
		}
	}
	return ""
}

// reports is what hubs said of their configuration, in words that name the first of each kind.
type reports struct {
	// serving hubs, those of them that run the configuration, and those that did not answer.
	serving, current, silent int
	// refused is a configuration; useless is what one names; restart and late are as of a hub.
	refused, useless, restart, late string
}

func (v *view) reports() (r reports) {
	first := func(to *string, h hub, text string) {
		if *to == "" && text != "" {
			*to = h.name + ": " + text
		}
	}
	for _, h := range v.staying() {
		if h.configHash == v.configHash { // it is not the configuration but what that names
			first(&r.useless, h, h.refusal)
		} else {
			first(&r.refused, h, h.refusal)
		}
		first(&r.restart, h, h.restart)
		first(&r.late, h, h.late)
	}
	for _, h := range v.serving() {
		switch {
		case !h.asked:
			r.silent++
		case h.configHash == v.configHash:
			r.current++
		}
		r.serving++
	}
	return r
}

// configLoaded: does every ready hub run the configuration that the spec asks for?
func (v *view) configLoaded() finding {
	r := v.reports()
	references, others := v.missing()
	switch {
	case v.configHash == "":
		return finding{metav1.ConditionUnknown, v1alpha1.ReasonUnknown, "no configuration has been made", settled}
	case r.refused != "":
		return finding{metav1.ConditionFalse, v1alpha1.ReasonConfigRefused,
			"a hub refused its configuration and goes on with the one before: " + r.refused, settled}
	case len(references) > 0 && v.rolling() && !v.succeeding(): // by the pod of before, which does not mount them
		return finding{metav1.ConditionFalse, v1alpha1.ReasonReloading, "the hub is being replaced by one that mounts what the spec names", underway}
	case len(references) > 0 && v.held():
		return finding{metav1.ConditionFalse, v1alpha1.ReasonRestartNeeded, "only a new pod mounts what the spec names: " + v.paused().message, settled}
	case r.serving > r.current+r.silent:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonReloading,
			fmt.Sprintf("%d of %d hubs run configuration %s, the others are taking it up", r.current, r.serving, v.configHash), underway}
	case len(v.skew.left) > 0:
		return v.tooOld()
	case v.keysMissing:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonIssuerKeysMissing,
			"publishers are asked to come back later, since the API server does not tell the operator the keys of ServiceAccount tokens: " +
				"let it get /.well-known/openid-configuration and /openid/v1/jwks", settled}
	case len(references) > 0:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, v.toBeMade(references), settled}
	case r.useless != "":
		return finding{metav1.ConditionFalse, v1alpha1.ReasonConfigRefused, "a hub did not take up what its configuration names: " + r.useless, settled}
	case r.restart != "" && v.rolling():
		return finding{metav1.ConditionFalse, v1alpha1.ReasonReloading, "the hub is being replaced by one that carries all of it out: " + r.restart, underway}
	case r.restart != "":
		return finding{metav1.ConditionFalse, v1alpha1.ReasonRestartNeeded, "a hub carries out only a part of its configuration: " + r.restart, settled}
	case len(others) > 0:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonIssuerKeysMissing,
			"those who need them are asked to come back later, until the hub gets " + list(others), settled}
	case r.serving == 0:
		return finding{metav1.ConditionUnknown, v1alpha1.ReasonUnknown, "no hub is ready to say what it runs", settled}
	case r.silent > 0:
		return finding{metav1.ConditionUnknown, v1alpha1.ReasonUnknown,
			fmt.Sprintf("%d of %d hubs did not say what they run: let the operator reach port %d of the hub's pods", r.silent, r.serving, config.PortAdmin), settled}
	default:
		message := "every hub runs configuration " + v.configHash
		if r.late != "" {
			message += "; changes are noticed late by " + r.late
		}
		return finding{metav1.ConditionTrue, v1alpha1.ReasonConfigLoaded, message, settled}
	}
}
