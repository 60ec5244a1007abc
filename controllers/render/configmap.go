package render

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/runnel-dev/runnel/hub/config"
)

// ConfigKey is the file of the ConfigMap that holds the hub's configuration.
const ConfigKey = "config.json"

// configMap holds the hub's configuration as one document, so that a hub never sees half of a change.
func configMap(in Input) (Child, error) {
	document, err := config.Encode(cmp.Or(in.Document, in.Config))
	if err != nil {
		return Child{}, err
	}
	name := HubName(in.Stream.Name)
	cm := corev1ac.ConfigMap(name, in.Stream.Namespace).
		WithLabels(labels(in.Stream.Name)).
		WithData(map[string]string{ConfigKey: string(document)})
	return Child{Kind: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Name: name, Object: cm, Meta: cm.ObjectMetaApplyConfiguration}, nil
}
