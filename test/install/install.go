// Package install holds the two ways to install Runnel against what they promise: the rights of the operator, and pods that pass
// Pod Security's restricted level. It renders what kustomize and Helm would apply; nothing runs.
package install

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Namespace is that of the operator.
const Namespace = "runnel-system"

// Objects are what an installation consists of.
type Objects []*unstructured.Unstructured

// Kustomize returns the objects of a kustomize directory.
func Kustomize(dir string) (Objects, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	text, err := built.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return read(nil, text)
}

// Chart returns the objects of a Helm chart with values beside its own, as release runnel. The values must fit the chart's schema.
func Chart(dir string, values map[string]any) (Objects, error) {
	c, err := loader.Load(dir)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", dir, err)
	}
	release := common.ReleaseOptions{Name: "runnel", Namespace: Namespace, IsInstall: true}
	all, err := util.ToRenderValues(c, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", dir, err)
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", dir, err)
	}
	var objects Objects
	for name, text := range files {
		if filepath.Ext(name) != ".yaml" {
			continue // what Helm prints
		}
		if objects, err = read(objects, []byte(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return objects, nil
}

func read(objects Objects, text []byte) (Objects, error) {
	for d := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		err := d.Decode(o)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		case len(o.Object) > 0:
			objects = append(objects, o)
		}
	}
}

// Of returns the objects of a kind, as T.
func Of[T any](objects Objects, kind string) ([]T, error) {
	var all []T
	for _, o := range objects {
		if o.GetKind() != kind {
			continue
		}
		var t T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &t, true); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, o.GetName(), err)
		}
		all = append(all, t)
	}
	return all, nil
}
