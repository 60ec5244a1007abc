package controllers

import (
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	case loaded.status == metav1.ConditionFalse: // an operator that cannot reach an admin port says nothing against the hub
		ready = loaded
	case available.way == underway:
		ready = finding{metav1.ConditionFalse, v1alpha1.ReasonProgressing, "the hub is being replaced", underway}
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
	case errors.As(v.problem, &invalid), apierrors.IsInvalid(v.problem):
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
	wanted := v.wanted()
	if n := v.ready(); n > 0 {
		f := finding{metav1.ConditionTrue, v1alpha1.ReasonAvailable, fmt.Sprintf("%d of %d hubs serve", n, wanted), settled}
		if v.rolling() {
			f.way = underway
		}
		return f
	}
	if names := v.missingCertificate(); len(names) > 0 && !v.rolling() {
		return finding{metav1.ConditionFalse, v1alpha1.ReasonSecretMissing,
			"no hub serves without its certificate: " + v.toBeMade(names), settled}
	}
	if message := v.failure(); message != "" {
		return finding{metav1.ConditionFalse, v1alpha1.ReasonUnavailable, message, settled}
	}
	return finding{metav1.ConditionFalse, v1alpha1.ReasonProgressing, "the hub is being started", underway}
}

// failure is why no hub gets ready, or empty if one may yet.
func (v *view) failure() string {
	for _, h := range v.hubs {
		if h.failure != "" {
			return "the hub's pod " + h.failure
		}
	}
	for _, c := range v.deployment.Status.Conditions {
		switch {
		case c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue:
			return "the hub's pod cannot be made: " + c.Message
		case c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse:
			return "the hub's pod did not get ready in time"
		}
	}
	return ""
}

// configLoaded: does every ready hub run the configuration that the spec asks for?
func (v *view) configLoaded() finding {
	ready, current, silent, refusal, useless := 0, 0, 0, "", ""
	for _, h := range v.hubs {
		switch {
		case h.refusal == "":
		case h.configHash == v.configHash: // it is not the configuration but what that names
			useless = h.refusal
		default:
			refusal = h.refusal
		}
		switch {
		case !h.ready:
			continue
		case !h.asked:
			silent++
		case h.configHash == v.configHash:
			current++
		}
		ready++
	}
	references, others := v.missing()
	switch {
	case v.configHash == "":
		return finding{metav1.ConditionUnknown, v1alpha1.ReasonUnknown, "no configuration has been made", settled}
	case refusal != "":
		return finding{metav1.ConditionFalse, v1alpha1.ReasonConfigRefused,
			"a hub refused its configuration and goes on with the one before: " + refusal, settled}
	case len(references) > 0 && v.rolling(): // by the pod of before, which does not mount them
		return finding{metav1.ConditionFalse, v1alpha1.ReasonReloading, "the hub is being replaced by one that mounts what the spec names", underway}
	case ready > current+silent:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonReloading,
			fmt.Sprintf("%d of %d hubs run configuration %s, the others are taking it up", current, ready, v.configHash), underway}
	case v.keysMissing:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonIssuerKeysMissing,
			"publishers are asked to come back later, since the API server does not tell the operator the keys of ServiceAccount tokens: " +
				"let it get /.well-known/openid-configuration and /openid/v1/jwks", settled}
	case len(references) > 0:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, v.toBeMade(references), settled}
	case useless != "":
		return finding{metav1.ConditionFalse, v1alpha1.ReasonConfigRefused, "a hub did not take up what its configuration names: " + useless, settled}
	case len(others) > 0:
		return finding{metav1.ConditionFalse, v1alpha1.ReasonIssuerKeysMissing,
			"those who need them are asked to come back later, until the hub gets " + list(others), settled}
	case ready == 0:
		return finding{metav1.ConditionUnknown, v1alpha1.ReasonUnknown, "no hub is ready to say what it runs", settled}
	case silent > 0:
		return finding{metav1.ConditionUnknown, v1alpha1.ReasonUnknown,
			fmt.Sprintf("%d of %d hubs did not say what they run: let the operator reach port %d of the hub's pods", silent, ready, config.PortAdmin), settled}
	default:
		return finding{metav1.ConditionTrue, v1alpha1.ReasonConfigLoaded, "every hub runs configuration " + v.configHash, settled}
	}
}
