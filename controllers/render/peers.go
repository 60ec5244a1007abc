package render

import (
	"time"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/runnel-dev/runnel/hub/config"
)

const (
	peerVolume = "peer"
	peerDir    = "/var/run/runnel/peer"
	peerToken  = "token"
	// peerTokenFlag tells the hub where the token is by which the stream's other hubs know it.
	peerTokenFlag = "--peer-token=" + peerDir + "/" + peerToken
	// peerTokenLifetime is the kubelet's usual one; it renews a token long before its end, and the hub reads it for each request.
	peerTokenLifetime = time.Hour

	// podIPVariable tells a hub which of the addresses of its peers is its own, podUIDVariable whether it is the first one that its
	// configuration names.
	podIPVariable  = "RUNNEL_POD_IP"
	podUIDVariable = "RUNNEL_POD_UID"
)

// peerAudience is the audience of a hub's token: publishers' tokens are of another one, so neither is of use as the other.
func peerAudience(namespace, name string) string { return "runnel.dev/peer/" + namespace + "/" + name }

// peers says how the stream's hubs find and know each other. The dot at the end of the name spares the search of the cluster's
// other domains.
func peers(r Resolved, cluster *Cluster) *config.Peers {
	name := HubName(r.Name)
	return &config.Peers{
		Service:  name + "." + r.Namespace + ".svc." + cluster.Domain + ".",
		Audience: peerAudience(r.Namespace, r.Name),
		Account:  name,
		First:    cluster.FirstHub,
	}
}

// tokenVolume holds the hub's only credential. The API server refuses it, as everybody does but the hubs of this stream.
func tokenVolume(in Input) *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(peerVolume).WithProjected(corev1ac.ProjectedVolumeSource().
		WithSources(corev1ac.VolumeProjection().WithServiceAccountToken(corev1ac.ServiceAccountTokenProjection().
			WithAudience(peerAudience(in.Stream.Namespace, in.Stream.Name)).
			WithExpirationSeconds(int64(peerTokenLifetime / time.Second)).
			WithPath(peerToken))))
}

func tokenMount() *corev1ac.VolumeMountApplyConfiguration {
	return corev1ac.VolumeMount().WithName(peerVolume).WithMountPath(peerDir).WithReadOnly(true)
}

// ofPod is an environment variable with a field of the pod.
func ofPod(variable, path string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(variable).WithValueFrom(corev1ac.EnvVarSource().
		WithFieldRef(corev1ac.ObjectFieldSelector().WithFieldPath(path)))
}
