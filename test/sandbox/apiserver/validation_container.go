package apiserver

import (
	"path"
	"reflect"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateContainer(c *corev1.Container, volumes, hostPorts sets.Set[string], at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if strings.TrimSpace(c.Image) == "" || c.Image != strings.TrimSpace(c.Image) {
		errs = append(errs, field.Invalid(at.Child("image"), c.Image, "name an image, without spaces around it"))
	}
	errs = append(errs, validateContainerPorts(c.Ports, hostPorts, at.Child("ports"))...)
	for i, e := range c.Env {
		errs = append(errs, validateEnv(e, at.Child("env").Index(i))...)
	}
	errs = append(errs, validateMounts(c.VolumeMounts, volumes, at.Child("volumeMounts"))...)
	errs = append(errs, validateResources(c.Resources, at.Child("resources"))...)
	errs = append(errs, validateProbe(c.LivenessProbe, true, at.Child("livenessProbe"))...)
	errs = append(errs, validateProbe(c.ReadinessProbe, false, at.Child("readinessProbe"))...)
	errs = append(errs, validateProbe(c.StartupProbe, true, at.Child("startupProbe"))...)
	if l := c.Lifecycle; l != nil {
		errs = append(errs, validateHandler(l.PostStart, at.Child("lifecycle", "postStart"))...)
		errs = append(errs, validateHandler(l.PreStop, at.Child("lifecycle", "preStop"))...)
	}
	return errs
}

func validateContainerPorts(list []corev1.ContainerPort, hostPorts sets.Set[string], at *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := sets.New[string]()
	for i, port := range list {
		p := at.Index(i)
		if port.Name != "" {
			errs = append(errs, messages(validation.IsValidPortName(port.Name), port.Name, p.Child("name"))...)
			if names.Has(port.Name) {
				errs = append(errs, field.Duplicate(p.Child("name"), port.Name))
			}
			names.Insert(port.Name)
		}
		errs = append(errs, messages(validation.IsValidPortNum(int(port.ContainerPort)), port.ContainerPort, p.Child("containerPort"))...)
		if port.HostPort != 0 {
			errs = append(errs, messages(validation.IsValidPortNum(int(port.HostPort)), port.HostPort, p.Child("hostPort"))...)
			key := string(port.Protocol) + "/" + port.HostIP + "/" + strconv.Itoa(int(port.HostPort))
			if hostPorts.Has(key) {
				errs = append(errs, field.Duplicate(p.Child("hostPort"), port.HostPort))
			}
			hostPorts.Insert(key)
		}
	}
	return errs
}

func validateEnv(e corev1.EnvVar, at *field.Path) field.ErrorList {
	errs := messages(validation.IsRelaxedEnvVarName(e.Name), e.Name, at.Child("name"))
	if e.ValueFrom == nil {
		return errs
	}
	from := at.Child("valueFrom")
	if e.Value != "" {
		errs = append(errs, field.Invalid(from, "", "may not be set beside value: keep one of them"))
	}
	if n := setFields(*e.ValueFrom); n != 1 {
		errs = append(errs, field.Invalid(from, "", "name exactly one source"))
	}
	if f := e.ValueFrom.FieldRef; f != nil && f.FieldPath == "" {
		errs = append(errs, field.Required(from.Child("fieldRef", "fieldPath"), "name a field, such as metadata.name"))
	}
	if f := e.ValueFrom.ConfigMapKeyRef; f != nil && f.Key == "" {
		errs = append(errs, field.Required(from.Child("configMapKeyRef", "key"), "name the key"))
	}
	if f := e.ValueFrom.SecretKeyRef; f != nil && f.Key == "" {
		errs = append(errs, field.Required(from.Child("secretKeyRef", "key"), "name the key"))
	}
	return errs
}

func validateMounts(list []corev1.VolumeMount, volumes sets.Set[string], at *field.Path) field.ErrorList {
	var errs field.ErrorList
	paths := sets.New[string]()
	for i, m := range list {
		p := at.Index(i)
		if !volumes.Has(m.Name) {
			errs = append(errs, field.NotFound(p.Child("name"), m.Name))
		}
		if m.MountPath == "" {
			errs = append(errs, field.Required(p.Child("mountPath"), "say where the container sees the volume"))
		}
		if paths.Has(m.MountPath) {
			errs = append(errs, field.Invalid(p.Child("mountPath"), m.MountPath, "must be unique"))
		}
		paths.Insert(m.MountPath)
		if m.SubPath != "" {
			errs = append(errs, validateRelative(m.SubPath, p.Child("subPath"))...)
		}
	}
	return errs
}

// validateRelative accepts a path that stays within its volume.
func validateRelative(name string, at *field.Path) field.ErrorList {
	switch {
	case name == "":
		return field.ErrorList{field.Required(at, "name a file, relative to the volume")}
	case path.IsAbs(name):
		return field.ErrorList{field.Invalid(at, name, "must be a relative path")}
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return field.ErrorList{field.Invalid(at, name, "must not contain '..'")}
		}
	}
	return nil
}

func validateResources(r corev1.ResourceRequirements, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for name, q := range r.Limits {
		if q.Sign() < 0 {
			errs = append(errs, field.Invalid(at.Child("limits").Key(string(name)), q.String(), "must be 0 or more"))
		}
	}
	for name, q := range r.Requests {
		p := at.Child("requests").Key(string(name))
		if q.Sign() < 0 {
			errs = append(errs, field.Invalid(p, q.String(), "must be 0 or more"))
		}
		if limit, ok := r.Limits[name]; ok && q.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(p, q.String(), "must be less than or equal to "+string(name)+" limit of "+limit.String()))
		}
	}
	return errs
}

// validateProbe checks a probe; single ones may ask for one success only.
func validateProbe(p *corev1.Probe, single bool, at *field.Path) field.ErrorList {
	if p == nil {
		return nil
	}
	var errs field.ErrorList
	for name, v := range map[string]int32{
		"initialDelaySeconds": p.InitialDelaySeconds, "timeoutSeconds": p.TimeoutSeconds, "periodSeconds": p.PeriodSeconds,
		"successThreshold": p.SuccessThreshold, "failureThreshold": p.FailureThreshold,
	} {
		if v < 0 {
			errs = append(errs, field.Invalid(at.Child(name), v, "must be 0 or more"))
		}
	}
	if single && p.SuccessThreshold != 1 {
		errs = append(errs, field.Invalid(at.Child("successThreshold"), p.SuccessThreshold, "must be 1"))
	}
	if n := setFields(p.ProbeHandler); n != 1 {
		errs = append(errs, field.Required(at, "name exactly one of exec, httpGet, tcpSocket and grpc"))
	}
	if p.GRPC != nil {
		errs = append(errs, messages(validation.IsValidPortNum(int(p.GRPC.Port)), p.GRPC.Port, at.Child("grpc", "port"))...)
	}
	return append(errs, validateActions(p.Exec, p.HTTPGet, p.TCPSocket, at)...)
}

func validateHandler(h *corev1.LifecycleHandler, at *field.Path) field.ErrorList {
	if h == nil {
		return nil
	}
	var errs field.ErrorList
	if n := setFields(*h); n != 1 {
		errs = append(errs, field.Required(at, "name exactly one of exec, httpGet, tcpSocket and sleep"))
	}
	if h.Sleep != nil && h.Sleep.Seconds < 0 {
		errs = append(errs, field.Invalid(at.Child("sleep", "seconds"), h.Sleep.Seconds, "must be 0 or more"))
	}
	return append(errs, validateActions(h.Exec, h.HTTPGet, h.TCPSocket, at)...)
}

func validateActions(exec *corev1.ExecAction, get *corev1.HTTPGetAction, tcp *corev1.TCPSocketAction, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if exec != nil && len(exec.Command) == 0 {
		errs = append(errs, field.Required(at.Child("exec", "command"), "name a program"))
	}
	if get != nil {
		errs = append(errs, validateTargetPort(get.Port, at.Child("httpGet", "port"))...)
	}
	if tcp != nil {
		errs = append(errs, validateTargetPort(tcp.Port, at.Child("tcpSocket", "port"))...)
	}
	return errs
}

// validateTargetPort accepts a port's number or name.
func validateTargetPort(p intstr.IntOrString, at *field.Path) field.ErrorList {
	if p.Type == intstr.Int {
		return messages(validation.IsValidPortNum(p.IntValue()), p.IntValue(), at)
	}
	return messages(validation.IsValidPortName(p.StrVal), p.StrVal, at)
}

// setFields counts the pointers of a union that are set.
func setFields(union any) int {
	v := reflect.ValueOf(union)
	n := 0
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			n++
		}
	}
	return n
}
