package fault

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// NewClient makes a manager's client: it reads from the cache and writes to the API server. Each call counts, and may fail; those
// of kinds that the reconciler does not use are as the API server's.
func NewClient(api client.WithWatch, cache *Cache, calls *Calls) client.Client {
	f := &faulty{api: api, cache: cache, calls: calls}
	return interceptor.NewClient(api, interceptor.Funcs{
		Get:              f.get,
		List:             f.list,
		Apply:            f.apply,
		Patch:            f.patch,
		Delete:           f.delete,
		SubResourceApply: f.applyPart,
		SubResourcePatch: f.patchPart,
	})
}

// NewReader makes a manager's API reader, which reads past the cache.
func NewReader(api client.WithWatch, calls *Calls) client.Reader {
	return interceptor.NewClient(api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			return calls.Do(fmt.Sprintf("get %s %s", kindOf(c, o), key.Name), func() error { return c.Get(ctx, key, o, opts...) })
		},
	})
}

type faulty struct {
	api   client.WithWatch
	cache *Cache
	calls *Calls
}

func (f *faulty) get(_ context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	options := (&client.GetOptions{}).ApplyOptions(opts)
	return f.calls.Do(fmt.Sprintf("read %s %s", kindOf(c, o), key.Name), func() error {
		return f.cache.get(key, o, options.DisableReadYourWritesConsistency)
	})
}

func (f *faulty) list(_ context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	return f.calls.Do("read "+kindOf(c, list), func() error { return f.cache.list(list, options) })
}

func (f *faulty) apply(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	name, err := applied(o)
	if err != nil {
		return err
	}
	return f.write("apply "+name, func() error { return c.Apply(ctx, o, opts...) })
}

func (f *faulty) applyPart(ctx context.Context, c client.Client, part string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
	name, err := applied(o)
	if err != nil {
		return err
	}
	return f.write("apply "+part+" of "+name, func() error { return c.SubResource(part).Apply(ctx, o, opts...) })
}

func (f *faulty) patch(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	return f.write(fmt.Sprintf("patch %s %s", kindOf(c, o), o.GetName()), func() error { return c.Patch(ctx, o, p, opts...) })
}

func (f *faulty) patchPart(ctx context.Context, c client.Client, part string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
	return f.write(fmt.Sprintf("patch %s of %s %s", part, kindOf(c, o), o.GetName()), func() error { return c.SubResource(part).Patch(ctx, o, p, opts...) })
}

func (f *faulty) delete(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
	return f.write(fmt.Sprintf("delete %s %s", kindOf(c, o), o.GetName()), func() error { return c.Delete(ctx, o, opts...) })
}

// write makes a write, and has the cache know that it was the reconciler's own.
func (f *faulty) write(name string, call func() error) error {
	return f.calls.Do(name, func() error {
		f.cache.Collect()
		err := call()
		f.cache.own()
		return err
	})
}

func kindOf(c client.Client, o runtime.Object) string {
	kind, err := apiutil.GVKForObject(o, c.Scheme())
	if err != nil {
		return fmt.Sprintf("%T", o)
	}
	return kind.Kind
}

// applied names the object of an apply configuration.
func applied(o runtime.ApplyConfiguration) (string, error) {
	if u, ok := o.(interface{ UnstructuredContent() map[string]any }); ok {
		object := unstructured.Unstructured{Object: u.UnstructuredContent()}
		return object.GetKind() + " " + object.GetName(), nil
	}
	document, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	var meta metav1.PartialObjectMetadata
	err = json.Unmarshal(document, &meta)
	return meta.Kind + " " + meta.Name, err
}
