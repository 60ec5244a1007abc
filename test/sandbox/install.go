package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	// fieldOwner is who applies.
	fieldOwner = client.FieldOwner("sandbox")
	// establishTimeout bounds the wait until a CRD is served. It takes well under a second, and much longer on a slow and busy machine.
	establishTimeout = 2 * time.Minute
	establishPoll    = 20 * time.Millisecond
)

// Install builds a kustomize directory, as `kubectl apply --server-side -k` does, and applies it.
func (s *Sandbox) Install(ctx context.Context, dir string) error {
	return Install(ctx, s.Config, dir)
}

// Apply applies the YAML or JSON documents that it reads.
func (s *Sandbox) Apply(ctx context.Context, documents io.Reader) error {
	return Apply(ctx, s.Config, documents)
}

// Install builds a kustomize directory and applies its objects to any cluster.
func Install(ctx context.Context, config *rest.Config, dir string) error {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return fmt.Errorf("build %s: %w", dir, err)
	}
	yaml, err := built.AsYaml()
	if err != nil {
		return fmt.Errorf("build %s: %w", dir, err)
	}
	if err := Apply(ctx, config, bytes.NewReader(yaml)); err != nil {
		return fmt.Errorf("install %s: %w", dir, err)
	}
	return nil
}

// Apply applies YAML or JSON documents to any cluster, server-side: namespaces first, then CRDs, whose serving it waits
// for, then the rest in their order. An error names the object; those after it are not applied.
func Apply(ctx context.Context, config *rest.Config, documents io.Reader) error {
	objects, err := read(documents)
	if err != nil {
		return err
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return cmp.Compare(rank(a), rank(b)) })
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	for _, o := range objects {
		o.SetManagedFields(nil)
		if namespaced, err := c.IsObjectNamespaced(o); err != nil {
			return fmt.Errorf("apply %s: %w", describe(o), err)
		} else if namespaced && o.GetNamespace() == "" {
			o.SetNamespace(metav1.NamespaceDefault) // as kubectl does
		}
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), fieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s: %w", describe(o), err)
		}
		if o.GetKind() == "CustomResourceDefinition" {
			if err := established(ctx, c, o); err != nil {
				return fmt.Errorf("apply %s: %w", describe(o), err)
			}
		}
	}
	return nil
}

func read(documents io.Reader) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for d := utilyaml.NewYAMLOrJSONDecoder(documents, 4096); ; {
		o := &unstructured.Unstructured{}
		err := d.Decode(o)
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("document %d: %w", len(out)+1, err)
		case len(o.Object) == 0: // only comments
			continue
		}
		out = append(out, o)
	}
}

// rank is the order in which kinds are applied: what others live in or are made of comes first.
func rank(o *unstructured.Unstructured) int {
	switch o.GetKind() {
	case "Namespace":
		return 0
	case "CustomResourceDefinition":
		return 1
	}
	return 2
}

// established waits until a CRD's resources are served, and discovery says so.
func established(ctx context.Context, c client.Client, o *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, establishTimeout)
	defer cancel()
	tick := time.NewTicker(establishPoll)
	defer tick.Stop()
	for {
		now := &unstructured.Unstructured{}
		now.SetGroupVersionKind(o.GroupVersionKind())
		if err := c.Get(ctx, client.ObjectKeyFromObject(o), now); err != nil {
			return err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(now.Object, crd); err != nil {
			return err
		}
		for _, cond := range crd.Status.Conditions {
			if cond.Type == apiextensionsv1.Established && cond.Status == apiextensionsv1.ConditionTrue {
				// Discovery follows a moment later, here as in a cluster, and clients go by it.
				if _, err := c.RESTMapper().RESTMapping(schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}); !meta.IsNoMatchError(err) {
					return err
				}
			}
			if cond.Type == apiextensionsv1.NamesAccepted && cond.Status == apiextensionsv1.ConditionFalse {
				return fmt.Errorf("its names are not accepted: %s", cond.Message)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not established within %s: %w", establishTimeout, ctx.Err())
		case <-tick.C:
		}
	}
}

func describe(o *unstructured.Unstructured) string {
	name := o.GetName()
	if o.GetNamespace() != "" {
		name = o.GetNamespace() + "/" + name
	}
	return o.GetKind() + " " + name
}
