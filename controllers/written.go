package controllers

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	v1alpha1ac "github.com/runnel-dev/runnel/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// written is what the operator wrote last of a stream. The manager's client has reads wait for its own writes, but among several
// namespaces, each with a cache of its own, what one of them shows ends the wait for another. A status that is compared with an
// older one than the last would give its conditions wrong times, and a rollout that does not show yet would pass for one that
// is over.
type written struct {
	// status of the stream with the UID, at the resource version.
	uid     types.UID
	version uint64
	status  *v1alpha1.EventStreamStatus
	// generation of the Deployment with the UID.
	deployment types.UID
	generation int64
}

// newest gives a stream that was read the status that was written last, if that is newer.
func (w *written) newest(stream *v1alpha1.EventStream) {
	if w.status == nil {
		return
	}
	if version, err := strconv.ParseUint(stream.ResourceVersion, 10, 64); err != nil || stream.UID != w.uid || version >= w.version {
		w.status = nil // it shows
		return
	}
	w.status.DeepCopyInto(&stream.Status)
}

// wrote remembers a status by what the API server answered.
func (w *written) wrote(answer *v1alpha1ac.EventStreamApplyConfiguration, status *v1alpha1.EventStreamStatus) {
	w.status = nil
	if answer.ResourceVersion == nil || answer.UID == nil {
		return
	}
	if version, err := strconv.ParseUint(*answer.ResourceVersion, 10, 64); err == nil {
		w.uid, w.version, w.status = *answer.UID, version, status
	}
}

// applied remembers the Deployment's generation by what the API server answered, if it was written.
func (w *written) applied(children []render.Child) {
	for _, child := range children {
		if child.Kind.Kind == "Deployment" && child.Meta.Generation != nil && child.Meta.UID != nil {
			w.deployment, w.generation = *child.Meta.UID, *child.Meta.Generation
		}
	}
}

// newestDeployment gives a Deployment that was read the generation that was written last, if that is newer: it then rolls.
func (w *written) newestDeployment(d *appsv1.Deployment) {
	if d.UID == w.deployment {
		d.Generation = max(d.Generation, w.generation)
	}
}
