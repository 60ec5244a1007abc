package kubelet

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hostPath is the PATH of every container: the default of container runtimes.
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is an ordered set of variables: a later value replaces an earlier one.
type environment struct {
	order  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if e.values == nil {
		e.values = map[string]string{}
	}
	if _, there := e.values[name]; !there {
		e.order = append(e.order, name)
	}
	e.values[name] = value
}

func (e *environment) list() []string {
	out := make([]string, len(e.order))
	for i, name := range e.order {
		out[i] = name + "=" + e.values[name]
	}
	return out
}

// expand replaces $(NAME) by the variable's value, and $$ by $; an unknown name stays as it is written.
func (e *environment) expand(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		if s[i+1] == '$' {
			out.WriteByte('$')
			i++
			continue
		}
		end := strings.IndexByte(s[i:], ')')
		if s[i+1] != '(' || end < 0 {
			out.WriteByte('$')
			continue
		}
		reference := s[i : i+end+1]
		if v, ok := e.values[reference[2:len(reference)-1]]; ok {
			reference = v
		}
		out.WriteString(reference)
		i += end
	}
	return out.String()
}

// environment is what a container's processes see, with mount paths replaced.
func (w *worker) environment(ctx context.Context, c *corev1.Container, image Image, ms mounts) (*environment, error) {
	e := &environment{}
	home := w.homeDir(c.Name)
	for name, value := range map[string]string{
		"PATH": hostPath, "HOSTNAME": w.pod.Name, "HOME": home, "TMPDIR": filepath.Join(home, "tmp"),
	} {
		e.set(name, value)
	}
	if tmp, ok := ms.path("/tmp"); ok {
		e.set("TMPDIR", tmp)
	}
	for name, value := range image.Env {
		e.set(name, value)
	}
	w.clusterEnvironment(e, c)
	for _, from := range c.EnvFrom {
		values, err := w.envFrom(ctx, &from)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			e.set(from.Prefix+name, ms.rewrite(values[name]))
		}
	}
	for i := range c.Env {
		value, set, err := w.envValue(ctx, c, &c.Env[i], e)
		if err != nil {
			return nil, err
		}
		if set {
			e.set(c.Env[i].Name, ms.rewrite(value))
		}
	}
	return e, nil
}

// clusterEnvironment is what the node adds on its own: where the API server is, and, since all pods share one host, at
// which address this one is to listen, and whom it is to ask for names in place of the host's resolv.conf.
func (w *worker) clusterEnvironment(e *environment, c *corev1.Container) {
	host, port := apiServer(w.k.Config)
	e.set("KUBERNETES_SERVICE_HOST", host)
	e.set("KUBERNETES_SERVICE_PORT", port)
	e.set("KUBERNETES_SERVICE_PORT_HTTPS", port)
	e.set("RUNNEL_LISTEN_HOST", w.ip)
	e.set("RUNNEL_NAMESERVER", w.k.Nameserver)
	if hasToken(c) {
		e.set("KUBECONFIG", w.kubeconfig())
	}
}

func (w *worker) envFrom(ctx context.Context, from *corev1.EnvFromSource) (map[string]string, error) {
	out := map[string]string{}
	switch {
	case from.ConfigMapRef != nil:
		m, err := w.configMap(ctx, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		if m == nil {
			return nil, err
		}
		return m.Data, nil
	case from.SecretRef != nil:
		s, err := w.secret(ctx, from.SecretRef.Name, from.SecretRef.Optional)
		if s == nil {
			return nil, err
		}
		for k, v := range s.Data {
			out[k] = string(v)
		}
	}
	return out, nil
}

// envValue returns a variable's value, and false if it stays unset because its optional source is missing.
func (w *worker) envValue(ctx context.Context, c *corev1.Container, v *corev1.EnvVar, e *environment) (string, bool, error) {
	from := v.ValueFrom
	switch {
	case from == nil:
		return e.expand(v.Value), true, nil
	case from.FieldRef != nil:
		value, err := field(w.pod, w.ip, from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err := resourceField(w.pod, c, from.ResourceFieldRef)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		m, err := w.configMap(ctx, ref.Name, ref.Optional)
		if m == nil {
			return "", false, err
		}
		value, ok := m.Data[ref.Key]
		return value, ok, missingKey(ok, ref.Optional, "ConfigMap", w.pod.Namespace, ref.Name, ref.Key)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		s, err := w.secret(ctx, ref.Name, ref.Optional)
		if s == nil {
			return "", false, err
		}
		value, ok := s.Data[ref.Key]
		return string(value), ok, missingKey(ok, ref.Optional, "Secret", w.pod.Namespace, ref.Name, ref.Key)
	}
	return "", false, fmt.Errorf("variable %s: the sandbox has no such source: use value, fieldRef, resourceFieldRef, configMapKeyRef or secretKeyRef", v.Name)
}

func missingKey(ok bool, optional *bool, kind, namespace, name, key string) error {
	if ok || (optional != nil && *optional) {
		return nil
	}
	return fmt.Errorf("couldn't find key %v in %s %s/%s", key, kind, namespace, name)
}

// configMap reads a ConfigMap; a missing one that is optional is nil without an error.
func (w *worker) configMap(ctx context.Context, name string, optional *bool) (*corev1.ConfigMap, error) {
	m, err := w.k.Client.CoreV1().ConfigMaps(w.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	return reference(m, err, optional)
}

func (w *worker) secret(ctx context.Context, name string, optional *bool) (*corev1.Secret, error) {
	s, err := w.k.Client.CoreV1().Secrets(w.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	return reference(s, err, optional)
}

func reference[T any](object *T, err error, optional *bool) (*T, error) {
	switch {
	case err == nil:
		return object, nil
	case apierrors.IsNotFound(err) && optional != nil && *optional:
		return nil, nil
	}
	return nil, err
}
