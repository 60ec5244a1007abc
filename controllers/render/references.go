package render

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/runnel-dev/runnel/hub/config"
)

// referencesFlag tells the hub where its references are mounted. Pods without any go without it, since they mount nothing there.
const referencesFlag = "--references=" + config.ReferencesDir

// mounted is a Secret or ConfigMap that the hub's pods mount.
type mounted struct{ kind, name string }

// references returns the Secrets and ConfigMaps that a configuration names, each once and sorted: neither the order of the spec nor
// another entry of one that is mounted already may change the pod template.
func references(c *config.Config) []mounted {
	var all []mounted
	for _, r := range c.References() { // in order
		all = append(all, mounted{r.Kind, r.Name})
	}
	return slices.Compact(all)
}

// volume is optional, so that a pod starts without it and the hub says what is missing. Its files have the default mode, 0644: they
// are root's, and the hub runs as another user, which the cluster may choose. Nobody but the hub is in this pod to read them.
//
// The whole object is mounted, and no single entry: which entries are used may then change while the hub runs.
func (m mounted) volume() *corev1ac.VolumeApplyConfiguration {
	v := corev1ac.Volume().WithName(m.volumeName())
	if m.kind == config.KindConfigMap {
		return v.WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(m.name).WithOptional(true))
	}
	return v.WithSecret(corev1ac.SecretVolumeSource().WithSecretName(m.name).WithOptional(true))
}

func (m mounted) mount() *corev1ac.VolumeMountApplyConfiguration {
	return corev1ac.VolumeMount().
		WithName(m.volumeName()).
		WithMountPath(path.Join(config.ReferencesDir, m.dir(), m.name)).
		WithReadOnly(true)
}

// dir is where the hub looks for objects of the kind, as config.ReferencesDir says.
func (m mounted) dir() string { return strings.ToLower(m.kind) + "s" }

// volumeName is a DNS label: kind and name where they are one, else a hash in place of the name. The two forms begin differently,
// so that no name of an object can make two volumes of one.
func (m mounted) volumeName() string {
	name := strings.ToLower(m.kind) + "-" + m.name
	if len(validation.IsDNS1123Label(name)) == 0 {
		return name
	}
	const bytes = 16 // cannot collide by chance
	sum := sha256.Sum256([]byte(m.name))
	return "hashed-" + strings.ToLower(m.kind) + "-" + hex.EncodeToString(sum[:bytes])
}
