package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	"github.com/runnel-dev/runnel/hub/event"
)

// parse returns the objects of a file: YAML documents parted by `---`, or JSON objects one after another; the items of a
// List count as objects. Empty documents are left out.
func parse(text []byte) ([]object, error) {
	documents, err := jsonDocuments(text)
	if err != nil {
		// What begins like JSON may still be YAML's flow style.
		if documents, err = yamlDocuments(text); err != nil {
			return nil, err
		}
	}
	var objects []object
	for i, d := range documents {
		content := map[string]any{}
		duplicates, err := kjson.UnmarshalStrict(d.json, &content)
		if err != nil {
			return nil, fmt.Errorf("document %d: write an object with apiVersion, kind and metadata: %w", i+1, explainJSON(d.json, &content, err))
		}
		if len(content) == 0 {
			continue
		}
		found, err := flatten(object{&unstructured.Unstructured{Object: content}, append(d.strict, duplicates...)})
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// explainJSON says what is wrong with JSON that cannot be decoded, without the names of Go's types. Kubernetes has a decoder of its own,
// whose errors cannot be told apart, so the standard one decodes it again; what that one takes keeps its error.
func explainJSON(text []byte, into any, otherwise error) error {
	if err := json.Unmarshal(text, into); err != nil {
		return event.ExplainJSON(err)
	}
	return otherwise
}

type document struct {
	json   []byte
	strict []error
}

func jsonDocuments(text []byte) ([]document, error) {
	if t := bytes.TrimLeftFunc(text, unicode.IsSpace); len(t) == 0 || t[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	var all []document
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var raw json.RawMessage
		switch err := d.Decode(&raw); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, document{json: raw})
	}
}

func flatten(o object) ([]object, error) {
	if o.GetKind() == "" || o.GetAPIVersion() == "" {
		return nil, errors.New("apiVersion and kind must be set: write them at the top of the object")
	}
	if !o.IsList() {
		return []object{o}, nil
	}
	if items, ok := o.Object["items"].([]any); ok {
		for i, item := range items {
			if _, ok := item.(map[string]any); !ok {
				return nil, fmt.Errorf("items[%d] is not an object: write each item with apiVersion, kind and metadata", i)
			}
		}
	}
	var objects []object
	err := o.EachListItem(func(item runtime.Object) error {
		found, err := flatten(object{item.(*unstructured.Unstructured), o.strict})
		objects = append(objects, found...)
		return err
	})
	return objects, err
}
