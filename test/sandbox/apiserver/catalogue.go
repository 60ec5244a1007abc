package apiserver

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
)

// served is one resource that the server has storage for.
type served struct {
	resource   schema.GroupVersionResource
	kind       schema.GroupKind
	namespaced bool
}

// catalogue knows every resource of the server: the built-in ones, and those of custom resource definitions as they come
// and go. A real cluster's controllers ask discovery instead; knowing it at once is what makes a test's deletion quick.
type catalogue struct {
	mu     sync.Mutex
	byKind map[schema.GroupKind]served
	// changed is called under mu, added or removed.
	changed func(r served, added bool)
}

func newCatalogue(s *runtime.Scheme, kinds []kind) *catalogue {
	c := &catalogue{byKind: map[schema.GroupKind]served{}}
	for _, k := range kinds {
		c.byKind[k.gvk(s).GroupKind()] = served{resource: k.gv.WithResource(k.resource), kind: k.gvk(s).GroupKind(), namespaced: !k.cluster}
	}
	definitions := schema.GroupKind{Group: apiextensionsv1.GroupName, Kind: "CustomResourceDefinition"}
	c.byKind[definitions] = served{resource: apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"), kind: definitions}
	return c
}

// follow keeps the catalogue up to date from an informer of definitions until ctx ends, and returns when it has seen those that
// are there.
func (c *catalogue) follow(ctx context.Context, definitions cache.SharedIndexInformer) error {
	h, err := definitions.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { c.define(o.(*apiextensionsv1.CustomResourceDefinition)) },
		UpdateFunc: func(_, o any) { c.define(o.(*apiextensionsv1.CustomResourceDefinition)) },
		DeleteFunc: func(o any) {
			if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = t.Obj
			}
			c.forget(o.(*apiextensionsv1.CustomResourceDefinition))
		},
	})
	if err != nil {
		return err
	}
	if !cache.WaitForCacheSync(ctx.Done(), h.HasSynced) {
		return ctx.Err()
	}
	return nil
}

func (c *catalogue) define(d *apiextensionsv1.CustomResourceDefinition) {
	if !apihelpers.IsCRDConditionTrue(d, apiextensionsv1.Established) {
		return
	}
	version := ""
	for _, v := range d.Spec.Versions {
		if v.Served && (version == "" || v.Storage) {
			version = v.Name
		}
	}
	r := served{
		resource:   schema.GroupVersionResource{Group: d.Spec.Group, Version: version, Resource: d.Spec.Names.Plural},
		kind:       schema.GroupKind{Group: d.Spec.Group, Kind: d.Spec.Names.Kind},
		namespaced: d.Spec.Scope == apiextensionsv1.NamespaceScoped,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was, known := c.byKind[r.kind]
	if known && was == r || version == "" {
		return
	}
	if known {
		c.tell(was, false)
	}
	c.byKind[r.kind] = r
	c.tell(r, true)
}

func (c *catalogue) forget(d *apiextensionsv1.CustomResourceDefinition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := schema.GroupKind{Group: d.Spec.Group, Kind: d.Spec.Names.Kind}
	if r, ok := c.byKind[k]; ok {
		delete(c.byKind, k)
		c.tell(r, false)
	}
}

func (c *catalogue) tell(r served, added bool) {
	if c.changed != nil {
		c.changed(r, added)
	}
}

// watch calls f for every resource, now and later.
func (c *catalogue) watch(f func(r served, added bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = f
	for _, r := range c.byKind {
		f(r, true)
	}
}

func (c *catalogue) find(k schema.GroupKind) (served, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.byKind[k]
	return r, ok
}

// all lists every resource, save events, which own nothing and are owned by nothing.
func (c *catalogue) all() []served {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Values(c.byKind)), func(r served) bool { return r.resource.Resource == "events" })
}

// namespaced lists the resources that live in namespaces.
func (c *catalogue) namespaced() []served {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Values(c.byKind)), func(r served) bool { return !r.namespaced })
}
