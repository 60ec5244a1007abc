package controllers

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	v1alpha1ac "github.com/runnel-dev/runnel/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
)

// messageBytes is the longest message of a condition; what a hub or the API server says may be longer.
const messageBytes = 32 << 10

// view is all that a status is made of.
type view struct {
	stream        *v1alpha1.EventStream
	clusterDomain string

	// problem is why the spec is not carried out.
	problem error
	// applied: all children are as the spec asks.
	applied bool
	// tlsSecret holds the certificate of the ports for clients; empty if they are in clear text.
	tlsSecret string
	// depends: the hub's configuration names what may change unseen by the operator, as the contents of a Secret do.
	depends bool
	// keysMissing: the configuration lacks the cluster's issuer keys, which it needs.
	keysMissing bool
	// image and configHash are those of the last configuration that was applied; empty if none ever was.
	image, configHash string

	// pods are the stream's whose processes have not ended, the oldest first.
	pods []*corev1.Pod
	// first is the UID of the one that the configuration names as the first; empty if it names none.
	first string

	// skew is what the hubs are too old for.
	skew skew
	// answers of the hubs that were asked in this reconciliation, by the pod's name.
	answers map[string]answer

	// passing: some hubs take up a configuration of a moment ago, and are looked at again at once.
	passing bool

	// deployment is nil while there is none of the stream's own.
	deployment *appsv1.Deployment
	// pin is the image that the Deployment pins, also one that is yet to be adopted; empty is none.
	pin string
	// hubs are the pods that have not ended, the oldest first; of those on their way out only what still serves.
	hubs []hub
}

// hub is what is known of one pod.
type hub struct {
	// name of the pod.
	name string
	// ready as the kubelet says.
	ready bool
	// leaving: the pod was told to go.
	leaving bool
	// failure is what the pod says of why it does not get ready; empty while it is merely starting. It has no value that
	// changes by itself, such as a name or a count.
	failure string
	// confirmed: it has said before that all is as it should be, and is believed.
	confirmed bool
	// asked: the hub has answered which configuration it runs.
	asked bool
	// configHash is that configuration.
	configHash string
	// refusal is why it does not run the newest one.
	refusal string
	// restart is what of it only a hub that starts anew can carry out.
	restart string
	// unaware: its file does not say yet that it is the first one, which waits for nobody.
	unaware bool
	// late is why it notices changes late.
	late string
	// missing names what it waits for.
	missing []string
}

// status returns the stream's new status. Times of transitions that did not happen are kept.
func (v *view) status(now metav1.Time) v1alpha1.EventStreamStatus {
	before := &v.stream.Status
	after := v1alpha1.EventStreamStatus{
		ObservedGeneration: v.stream.Generation,
		Conditions:         append([]metav1.Condition(nil), before.Conditions...),
		Address:            before.Address,
		SubscribeURL:       before.SubscribeURL,
		Replicas:           int32(len(v.staying())),
		ReadyReplicas:      int32(v.ready()),
		Image:              v.image,
		ConfigHash:         v.configHash,
	}
	if v.applied { // else a Service of that name may be somebody else's
		after.Address = &v1alpha1.Address{
			URL:      v.serviceURL(render.PublishName(v.stream.Name)),
			Audience: render.Audience(v.stream.Namespace, v.stream.Name),
		}
		after.SubscribeURL = v.serviceURL(render.SubscribeName(v.stream.Name))
	}
	found := v.findings()
	for _, kind := range []string{
		v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable, v1alpha1.ConditionConfigLoaded, v1alpha1.ConditionReady,
		v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
	} {
		f, ok := found[kind]
		if !ok {
			meta.RemoveStatusCondition(&after.Conditions, kind)
			continue
		}
		meta.SetStatusCondition(&after.Conditions, metav1.Condition{
			Type: kind, Status: f.status, Reason: f.reason, Message: cut(f.message, messageBytes),
			ObservedGeneration: v.stream.Generation, LastTransitionTime: now,
		})
	}
	return after
}

func (v *view) serviceURL(name string) string {
	scheme := "http"
	if v.tlsSecret != "" {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s.%s.svc.%s", scheme, name, v.stream.Namespace, v.clusterDomain)
}

func (v *view) ready() int {
	return len(v.those(func(h hub) bool { return h.ready && !h.leaving }))
}

// sameStatus says whether b need not be written over a.
func sameStatus(a, b *v1alpha1.EventStreamStatus) bool { return equality.Semantic.DeepEqual(a, b) }

// statusConfiguration is the status with everything that the operator owns in it: what is left out is removed. The UID keeps
// it from a stream that was made anew under the same name.
func statusConfiguration(stream *v1alpha1.EventStream, s *v1alpha1.EventStreamStatus) *v1alpha1ac.EventStreamApplyConfiguration {
	status := v1alpha1ac.EventStreamStatus().
		WithObservedGeneration(s.ObservedGeneration).
		WithReplicas(s.Replicas).
		WithReadyReplicas(s.ReadyReplicas)
	if s.Address != nil {
		status.WithAddress(v1alpha1ac.Address().WithURL(s.Address.URL).WithAudience(s.Address.Audience))
	}
	if s.SubscribeURL != "" {
		status.WithSubscribeURL(s.SubscribeURL)
	}
	if s.Image != "" {
		status.WithImage(s.Image)
	}
	if s.ConfigHash != "" {
		status.WithConfigHash(s.ConfigHash)
	}
	for _, c := range s.Conditions {
		status.WithConditions(metav1ac.Condition().
			WithType(c.Type).WithStatus(c.Status).WithReason(c.Reason).WithMessage(c.Message).
			WithObservedGeneration(c.ObservedGeneration).WithLastTransitionTime(c.LastTransitionTime))
	}
	return v1alpha1ac.EventStream(stream.Name, stream.Namespace).WithUID(stream.UID).WithStatus(status)
}
