package fault

import (
	"cmp"
	"context"
	"fmt"
	"reflect"

	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// stranger is the manager of fields that are written without one.
const stranger = "stranger"

// Create implements client.Client. It keeps a status.
func (s *Server) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	kind, err := apiutil.GVKForObject(o, s.scheme)
	if err != nil {
		return err
	}
	if s.objects[kind][client.ObjectKeyFromObject(o)] != nil {
		return apierrors.NewAlreadyExists(resource(kind), o.GetName())
	}
	empty, err := s.scheme.New(kind)
	if err != nil {
		return err
	}
	empty.GetObjectKind().SetGroupVersionKind(kind)
	made := o.DeepCopyObject().(client.Object)
	made.GetObjectKind().SetGroupVersionKind(kind)
	managedMade, err := s.manager(kind, "").Update(empty, made, stranger)
	if err != nil {
		return err
	}
	return s.store(kind, nil, managedMade.(client.Object))
}

// Update implements client.Client, as a stranger.
func (s *Server) Update(_ context.Context, o client.Object, _ ...client.UpdateOption) error {
	return s.replace(o, "", stranger)
}

// replace updates an object, or its status.
func (s *Server) replace(o client.Object, part, manager string) error {
	kind, live, err := s.live(o)
	if err != nil {
		return err
	}
	after := o.DeepCopyObject().(client.Object)
	after.GetObjectKind().SetGroupVersionKind(kind)
	s.keep(live, after, part)
	managedAfter, err := s.manager(kind, part).Update(live, after, cmp.Or(manager, stranger))
	if err != nil {
		return err
	}
	return s.store(kind, live, managedAfter.(client.Object))
}

// keep takes over from the live object what a write through a part cannot change.
func (s *Server) keep(live, after client.Object, part string) {
	a, l := reflect.ValueOf(after).Elem(), reflect.ValueOf(live.DeepCopyObject()).Elem()
	if part == "" {
		if status := a.FieldByName("Status"); status.IsValid() {
			status.Set(l.FieldByName("Status"))
		}
		return
	}
	if spec := a.FieldByName("Spec"); spec.IsValid() {
		spec.Set(l.FieldByName("Spec"))
	}
}

// Patch implements client.Client, for merge patches (RFC 7386) and JSON patches (RFC 6902).
func (s *Server) Patch(_ context.Context, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	return s.patch(o, p, "", (&client.PatchOptions{}).ApplyOptions(opts).FieldManager)
}

func (s *Server) patch(o client.Object, p client.Patch, part, manager string) error {
	kind, live, err := s.live(o)
	if err != nil {
		return err
	}
	document, err := p.Data(o)
	if err != nil {
		return err
	}
	before, err := json.Marshal(live)
	if err != nil {
		return err
	}
	patched, err := patched(p.Type(), before, document)
	if err != nil {
		return err
	}
	made, err := s.scheme.New(kind)
	if err != nil {
		return err
	}
	after := made.(client.Object)
	if err := json.Unmarshal(patched, after); err != nil {
		return err
	}
	if after.GetUID() != live.GetUID() {
		return conflict(kind, o.GetName())
	}
	return s.replace(after, part, manager)
}

func patched(kind types.PatchType, before, document []byte) ([]byte, error) {
	switch kind {
	case types.MergePatchType:
		return jsonpatch.MergePatch(before, document)
	case types.JSONPatchType:
		patch, err := jsonpatch.DecodePatch(document)
		if err != nil {
			return nil, err
		}
		return patch.Apply(before)
	default:
		return nil, fmt.Errorf("%s is no patch that this server knows", kind)
	}
}

// Apply implements client.Client. Of what the given object is to become, it fills in UID, version and generation.
func (s *Server) Apply(_ context.Context, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	options := (&client.ApplyOptions{}).ApplyOptions(opts)
	return s.applyTo(o, "", options.FieldManager, options.Force)
}

func (s *Server) applyTo(o runtime.ApplyConfiguration, part, owner string, force *bool) error {
	document, err := json.Marshal(o)
	if err != nil {
		return err
	}
	desired := &unstructured.Unstructured{}
	if err := json.Unmarshal(document, &desired.Object); err != nil {
		return err
	}
	kind := desired.GroupVersionKind()
	live := s.objects[kind][client.ObjectKeyFromObject(desired)]
	uid := desired.GetUID()
	switch {
	case live == nil && part != "":
		return notFound(kind, desired.GetName())
	case uid != "" && (live == nil || live.GetUID() != uid):
		return conflict(kind, desired.GetName())
	}
	base := live
	if base == nil {
		made, err := s.scheme.New(kind)
		if err != nil {
			return err
		}
		base = made.(client.Object)
		base.GetObjectKind().SetGroupVersionKind(kind)
	}
	merged, err := s.manager(kind, part).Apply(base, desired, owner, ptr.Deref(force, false))
	if err != nil {
		return err
	}
	after, err := s.typed(kind, merged)
	if err != nil {
		return err
	}
	if live != nil {
		s.keep(live, after, part)
	}
	if err := s.store(kind, live, after); err != nil {
		return err
	}
	stored := s.objects[kind][client.ObjectKeyFromObject(desired)]
	answer, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": stored.GetUID(), "resourceVersion": stored.GetResourceVersion(), "generation": stored.GetGeneration(),
	}})
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, o)
}

// Delete implements client.Client.
func (s *Server) Delete(_ context.Context, o client.Object, opts ...client.DeleteOption) error {
	kind, live, err := s.live(o)
	if err != nil {
		return err
	}
	if p := (&client.DeleteOptions{}).ApplyOptions(opts).Preconditions; p != nil && p.UID != nil && *p.UID != live.GetUID() {
		return conflict(kind, o.GetName())
	}
	delete(s.objects[kind], client.ObjectKeyFromObject(o))
	for _, w := range s.watches[kind] {
		w.Delete(live)
	}
	return nil
}

// Status implements client.Client.
func (s *Server) Status() client.SubResourceWriter { return s.SubResource("status") }

// SubResource implements client.Client, for status.
func (s *Server) SubResource(part string) client.SubResourceClient {
	return &statusPart{server: s, part: part}
}

type statusPart struct {
	client.SubResourceClient // nil
	server                   *Server
	part                     string
}

func (p *statusPart) Update(_ context.Context, o client.Object, _ ...client.SubResourceUpdateOption) error {
	return p.server.replace(o, p.part, stranger)
}

func (p *statusPart) Patch(_ context.Context, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	return p.server.patch(o, patch, p.part, (&client.SubResourcePatchOptions{}).ApplyOptions(opts).FieldManager)
}

func (p *statusPart) Apply(_ context.Context, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
	options := (&client.SubResourceApplyOptions{}).ApplyOpts(opts)
	return p.server.applyTo(o, p.part, options.FieldManager, options.Force)
}
