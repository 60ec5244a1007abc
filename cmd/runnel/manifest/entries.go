package manifest

import (
	"encoding/base64"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/hub/config"
)

// Entries are what Secrets and ConfigMaps hold, by the references to it.
type Entries map[config.Reference][]byte

// entries gathers what the objects hold of a namespace, and returns the objects that hold nothing of it. Objects that name no namespace
// are in the one that is asked for, and so are all when none is asked for. An error tells nothing of the content.
func entries(namespace string, objects []object) (all Entries, others []object, err error) {
	all = Entries{}
	for _, o := range objects {
		holds := o.GetAPIVersion() == corev1.SchemeGroupVersion.String() && (o.GetKind() == config.KindSecret || o.GetKind() == config.KindConfigMap)
		if !holds || namespace != "" && o.GetNamespace() != "" && o.GetNamespace() != namespace {
			others = append(others, o)
			continue
		}
		// What comes later wins: in a Secret as the API server has it, and a ConfigMap cannot have a key twice.
		for _, f := range []struct {
			name    string
			encoded bool
		}{{"binaryData", true}, {"data", o.GetKind() == config.KindSecret}, {"stringData", false}} {
			if err := all.add(o, f.name, f.encoded); err != nil {
				return nil, nil, fmt.Errorf("%s cannot be used: %w", o.title(), err)
			}
		}
	}
	return all, others, nil
}

// add adds the entries in a field of a Secret or ConfigMap.
func (e Entries) add(o object, field string, encoded bool) error {
	if o.Object[field] == nil {
		return nil
	}
	values, ok := o.Object[field].(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no map: write keys with their values", field)
	}
	for key, value := range values {
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s.%s is no text: write it in quotes", field, key)
		}
		content := []byte(text)
		if encoded {
			var err error
			if content, err = base64.StdEncoding.DecodeString(text); err != nil {
				return fmt.Errorf("%s.%s is not in base64: encode it, or write a Secret's value as it is below stringData", field, key)
			}
		}
		e[config.Reference{Kind: o.GetKind(), Name: o.GetName(), Key: key}] = content
	}
	return nil
}
