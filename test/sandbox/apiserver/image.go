package apiserver

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// pullPolicy is the default of an image reference: a moving tag is always pulled.
func pullPolicy(image string) corev1.PullPolicy {
	if strings.Contains(image, "@") {
		return corev1.PullIfNotPresent
	}
	name := image[strings.LastIndex(image, "/")+1:] // a colon before it belongs to the registry's port
	if _, tag, ok := strings.Cut(name, ":"); ok && tag != "latest" {
		return corev1.PullIfNotPresent
	}
	return corev1.PullAlways
}
