package render

import (
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/runnel-dev/runnel/hub/config"
)

// encryptedAnnotation of a pod says that its ports are encrypted, which a hub decides at its start: it rolls pods whose certificate
// is in a Secret that they mount anyway. The hub does not read it.
const encryptedAnnotation = "runnel.dev/encrypted"

// HubContainer is the name of the hub's container.
const HubContainer = "hub"

// Names of the container's ports, which the Services and probes use.
const (
	portSubscribe = "subscribe"
	portPublish   = "publish"
	portAdmin     = "admin"
)

const (
	configVolume = "config"
	configDir    = "/etc/runnel"
)

// deployment runs the hub. The pod template is a function of the image, spec.template, whether the ports are encrypted, which Secrets and
// ConfigMaps are referenced, and whether drain.window is beyond a minute: everything else reloads in the running hub, and a new operator must not roll anybody's hub.
//
// Left out on purpose: revisionHistoryLimit, where the cluster's default fits; progressDeadlineSeconds, whose default of 10 min is
// many times what a hub takes to copy a history, and as long as it lasts the old hub serves; minReadySeconds, since a hub is ready
// only once it leads, and to keep the one before it for longer would not bring it back; a CPU limit, because throttling shows as
// latency.
func deployment(in Input) (Child, error) {
	pod, err := podSpec(in)
	if err != nil {
		return Child{}, err
	}
	template := corev1ac.PodTemplateSpec().
		WithLabels(labels(in.Stream.Name)).
		WithSpec(pod)
	if a := in.Stream.Template.Annotations; len(a) > 0 {
		template.WithAnnotations(a)
	}
	if in.Stream.TLSSecret != "" {
		template.WithAnnotations(map[string]string{encryptedAnnotation: "true"})
	}
	name := HubName(in.Stream.Name)
	d := appsv1ac.Deployment(name, in.Stream.Namespace).
		WithLabels(labels(in.Stream.Name)).
		WithSpec(appsv1ac.DeploymentSpec().
			WithReplicas(1).
			WithStrategy(handOver()).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(in.Stream.Name))).
			WithTemplate(template))
	return Child{Kind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Name: name, Object: d, Meta: d.ObjectMetaApplyConfiguration}, nil
}

// handOver starts the new hub beside the old one, which is told to stop only when the new one is ready: by then it has taken over
// history and the right to append.
func handOver() *appsv1ac.DeploymentStrategyApplyConfiguration {
	return appsv1ac.DeploymentStrategy().
		WithType(appsv1.RollingUpdateDeploymentStrategyType).
		WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
			WithMaxSurge(intstr.FromInt32(1)).
			WithMaxUnavailable(intstr.FromInt32(0)))
}

func podSpec(in Input) (*corev1ac.PodSpecApplyConfiguration, error) {
	name := HubName(in.Stream.Name)
	hub, err := container(in)
	if err != nil {
		return nil, err
	}
	grace := config.GracePeriod(in.Stream.DrainWindow)
	hub.WithArgs("--grace-period=" + grace.String())
	spec := corev1ac.PodSpec().
		WithServiceAccountName(name).
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(int64(grace/time.Second)).
		// No user, group or fsGroup: the image has a numeric user, which the kubelet checks against runAsNonRoot, and OpenShift's
		// restricted-v2 refuses pods that choose their own.
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithContainers(hub).
		// The whole directory: the kubelet never updates a file that is mounted by subPath.
		WithVolumes(corev1ac.Volume().WithName(configVolume).
			WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(name)), tokenVolume(in))
	for _, m := range references(in.Config) {
		spec.WithVolumes(m.volume())
	}
	return spec, placement(in, spec)
}

// placement adds what the template says about where pods run and how their image is pulled.
func placement(in Input, spec *corev1ac.PodSpecApplyConfiguration) error {
	t := in.Stream.Template
	if len(t.NodeSelector) > 0 {
		spec.WithNodeSelector(t.NodeSelector)
	}
	if t.Affinity != nil {
		affinity, err := applied[corev1ac.AffinityApplyConfiguration]("template.affinity", t.Affinity)
		if err != nil {
			return err
		}
		spec.WithAffinity(affinity)
	}
	for i := range t.TopologySpreadConstraints {
		spread, err := applied[corev1ac.TopologySpreadConstraintApplyConfiguration]("template.topologySpreadConstraints", &t.TopologySpreadConstraints[i])
		if err != nil {
			return err
		}
		spec.WithTopologySpreadConstraints(spread)
	}
	for _, s := range t.ImagePullSecrets {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(s.Name))
	}
	return nil
}

func container(in Input) (*corev1ac.ContainerApplyConfiguration, error) {
	resources, err := applied[corev1ac.ResourceRequirementsApplyConfiguration]("template.resources", &in.Stream.Resources)
	if err != nil {
		return nil, err
	}
	c := corev1ac.Container().
		WithName(HubContainer).
		WithImage(in.Image).
		WithCommand("/hub").
		WithArgs("--config="+configDir+"/"+ConfigKey, peerTokenFlag).
		WithEnv(ofPod(podIPVariable, "status.podIP"), ofPod(podUIDVariable, "metadata.uid")).
		WithPorts(
			containerPort(portSubscribe, config.PortSubscribe),
			containerPort(portPublish, config.PortPublish),
			containerPort(portAdmin, config.PortAdmin)).
		WithResources(resources).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))).
		WithVolumeMounts(corev1ac.VolumeMount().WithName(configVolume).WithMountPath(configDir).WithReadOnly(true), tokenMount()).
		// A hub is up in well under a second and is asked each second; a minute is for nodes that are short of CPU. It is not asked
		// whether it is ready: one that waits for its certificate is not, and a restart would not bring it.
		WithStartupProbe(probe("/healthz").WithPeriodSeconds(1).WithFailureThreshold(60)).
		// One failed answer of a busy hub must not take its only endpoint away. But a hub that says it is not ready, since it ends, must
		// get no more connections well before config.EndpointsDelay is over, and its successor must be known to be ready by then.
		WithReadinessProbe(probe("/readyz").WithPeriodSeconds(1).WithFailureThreshold(3)).
		// A restart loses the history, so it is the last resort: a minute of silence.
		WithLivenessProbe(probe("/healthz").WithPeriodSeconds(10).WithFailureThreshold(6))
	mounts := references(in.Config)
	if len(mounts) > 0 {
		c.WithArgs(referencesFlag)
	}
	for _, m := range mounts {
		c.WithVolumeMounts(m.mount())
	}
	return c, nil
}

func containerPort(name string, number int32) *corev1ac.ContainerPortApplyConfiguration {
	return corev1ac.ContainerPort().WithName(name).WithContainerPort(number).WithProtocol(corev1.ProtocolTCP)
}

func probe(path string) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(portAdmin))).
		WithTimeoutSeconds(3)
}

// applied turns a value of the API into its apply configuration: both have the same JSON form, and only what is set in it
// is applied.
func applied[T any](path string, value any) (*T, error) {
	b, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out := new(T)
	if err := json.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}
