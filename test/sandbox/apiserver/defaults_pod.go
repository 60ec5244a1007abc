package apiserver

import corev1 "k8s.io/api/core/v1"

func defaultPod(p *corev1.Pod) {
	defaultPodSpec(&p.Spec)
	orDefault(&p.Spec.EnableServiceLinks, corev1.DefaultEnableServiceLinks)
	for i := range p.Spec.Containers {
		defaultRequests(&p.Spec.Containers[i])
	}
	for i := range p.Spec.InitContainers {
		defaultRequests(&p.Spec.InitContainers[i])
	}
}

// defaultRequests makes a limit the request where none is named. Only pods get it, not templates.
func defaultRequests(c *corev1.Container) {
	for name, limit := range c.Resources.Limits {
		if _, ok := c.Resources.Requests[name]; !ok {
			if c.Resources.Requests == nil {
				c.Resources.Requests = corev1.ResourceList{}
			}
			c.Resources.Requests[name] = limit.DeepCopy()
		}
	}
}

func defaultPodTemplate(t *corev1.PodTemplateSpec) { defaultPodSpec(&t.Spec) }

func defaultPodSpec(s *corev1.PodSpec) {
	orValue(&s.RestartPolicy, corev1.RestartPolicyAlways)
	orValue(&s.DNSPolicy, corev1.DNSClusterFirst)
	orValue(&s.SchedulerName, corev1.DefaultSchedulerName)
	orDefault(&s.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	orDefault(&s.SecurityContext, corev1.PodSecurityContext{})
	orValue(&s.ServiceAccountName, s.DeprecatedServiceAccount)
	s.DeprecatedServiceAccount = s.ServiceAccountName
	for i := range s.InitContainers {
		defaultContainer(&s.InitContainers[i])
	}
	for i := range s.Containers {
		defaultContainer(&s.Containers[i])
	}
	for i := range s.Volumes {
		defaultVolume(&s.Volumes[i])
	}
}

func defaultContainer(c *corev1.Container) {
	orValue(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	orValue(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	orValue(&c.ImagePullPolicy, pullPolicy(c.Image))
	for i := range c.Ports {
		orValue(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if f := c.Env[i].ValueFrom; f != nil && f.FieldRef != nil {
			orValue(&f.FieldRef.APIVersion, "v1")
		}
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		defaultProbe(p)
	}
	if c.Lifecycle != nil {
		for _, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if h != nil {
				defaultHTTPGet(h.HTTPGet)
			}
		}
	}
}

func defaultProbe(p *corev1.Probe) {
	if p == nil {
		return
	}
	orValue(&p.TimeoutSeconds, 1)
	orValue(&p.PeriodSeconds, 10)
	orValue(&p.SuccessThreshold, 1)
	orValue(&p.FailureThreshold, 3)
	defaultHTTPGet(p.HTTPGet)
	if p.GRPC != nil {
		orDefault(&p.GRPC.Service, "")
	}
}

func defaultHTTPGet(h *corev1.HTTPGetAction) {
	if h != nil {
		orValue(&h.Path, "/")
		orValue(&h.Scheme, corev1.URISchemeHTTP)
	}
}

func defaultVolume(v *corev1.Volume) {
	if v.VolumeSource == (corev1.VolumeSource{}) {
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
	const mode = corev1.ConfigMapVolumeSourceDefaultMode // 0644, the same for all four
	switch {
	case v.ConfigMap != nil:
		orDefault(&v.ConfigMap.DefaultMode, mode)
	case v.Secret != nil:
		orDefault(&v.Secret.DefaultMode, mode)
	case v.DownwardAPI != nil:
		orDefault(&v.DownwardAPI.DefaultMode, mode)
		defaultFieldRefs(v.DownwardAPI.Items)
	case v.Projected != nil:
		orDefault(&v.Projected.DefaultMode, mode)
		for _, s := range v.Projected.Sources {
			if s.DownwardAPI != nil {
				defaultFieldRefs(s.DownwardAPI.Items)
			}
			if s.ServiceAccountToken != nil {
				orDefault(&s.ServiceAccountToken.ExpirationSeconds, defaultTokenSeconds)
			}
		}
	case v.HostPath != nil:
		orDefault(&v.HostPath.Type, corev1.HostPathUnset)
	}
}

func defaultFieldRefs(items []corev1.DownwardAPIVolumeFile) {
	for i := range items {
		if items[i].FieldRef != nil {
			orValue(&items[i].FieldRef.APIVersion, "v1")
		}
	}
}
