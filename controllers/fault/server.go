package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Server is an API server in memory, for one user at a time: versions, UIDs, generations, preconditions, watches, the status
// subresource, and server-side apply by the API server's own field manager. It is ten times as fast as controller-runtime's
// fake client, by which the thousands of runs with a fault at each single call would take minutes; and that has neither UIDs nor
// generations.
//
// What it lacks: validation and defaults but for Admit, finalizers, garbage collection, selectors of lists but for the namespace,
// resource versions in updates. What is not written here panics.
type Server struct {
	client.WithWatch // nil

	// Admit may refuse or change what is about to be written; before is nil for a new object. Unset: all is admitted.
	Admit func(before, after client.Object) error

	scheme    *runtime.Scheme
	converter managedfields.TypeConverter
	managers  map[managed]*managedfields.FieldManager
	objects   map[schema.GroupVersionKind]map[client.ObjectKey]client.Object
	watches   map[schema.GroupVersionKind][]*watch.RaceFreeFakeWatcher
	version   int
	uids      int
}

// managed is what has a field manager of its own.
type managed struct {
	kind schema.GroupVersionKind
	part string
}

// NewServer makes an empty server of a scheme's kinds. The converter knows their fields.
func NewServer(scheme *runtime.Scheme, converter managedfields.TypeConverter) *Server {
	return &Server{
		scheme: scheme, converter: converter, managers: map[managed]*managedfields.FieldManager{},
		objects: map[schema.GroupVersionKind]map[client.ObjectKey]client.Object{}, watches: map[schema.GroupVersionKind][]*watch.RaceFreeFakeWatcher{},
	}
}

// Copy makes a server with the same objects, and no watches.
func (s *Server) Copy() *Server {
	c := NewServer(s.scheme, s.converter)
	c.managers, c.version, c.uids = s.managers, s.version, s.uids
	for kind, objects := range s.objects {
		c.objects[kind] = maps.Clone(objects) // objects are never changed
	}
	return c
}

// Objects are all that there are, sorted by kind and name. They are the server's own, not to be changed.
func (s *Server) Objects() []client.Object {
	var all []client.Object
	for _, kind := range slices.SortedFunc(maps.Keys(s.objects), func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) }) {
		for _, key := range slices.SortedFunc(maps.Keys(s.objects[kind]), byName) {
			all = append(all, s.objects[kind][key])
		}
	}
	return all
}

// Scheme implements client.Client.
func (s *Server) Scheme() *runtime.Scheme { return s.scheme }

// Get implements client.Client, for metadata too.
func (s *Server) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind, err := apiutil.GVKForObject(into, s.scheme)
	if err != nil {
		return err
	}
	o, ok := s.objects[kind][key]
	if !ok {
		return notFound(kind, key.Name)
	}
	if reflect.TypeOf(o) == reflect.TypeOf(into) {
		handOut(o, into)
		return nil
	}
	document, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return json.Unmarshal(document, into)
}

// List implements client.Client.
func (s *Server) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	kind, err := itemKind(into, s.scheme)
	if err != nil {
		return err
	}
	o := (&client.ListOptions{}).ApplyOptions(opts)
	var items []runtime.Object
	for _, key := range slices.SortedFunc(maps.Keys(s.objects[kind]), byName) {
		if o.Namespace == "" || o.Namespace == key.Namespace {
			object := s.objects[kind][key]
			item := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
			handOut(object, item)
			items = append(items, item)
		}
	}
	return meta.SetList(into, items)
}

func byName(a, b client.ObjectKey) int { return strings.Compare(a.String(), b.String()) }

// handOut copies an object as clients have it, which know its kind by what they asked for.
func handOut(o, into client.Object) {
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(o.DeepCopyObject()).Elem())
	into.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	into.SetManagedFields(nil)
}

// Watch implements client.WithWatch: it begins with what is there. Nobody may leave more than 100 events unread.
func (s *Server) Watch(_ context.Context, list client.ObjectList, _ ...client.ListOption) (watch.Interface, error) {
	kind, err := itemKind(list, s.scheme)
	if err != nil {
		return nil, err
	}
	w := watch.NewRaceFreeFake()
	for _, key := range slices.SortedFunc(maps.Keys(s.objects[kind]), byName) {
		w.Add(s.objects[kind][key])
	}
	s.watches[kind] = append(s.watches[kind], w)
	return w, nil
}

// store writes an object, unless it is as it was.
func (s *Server) store(kind schema.GroupVersionKind, before, after client.Object) error {
	if s.Admit != nil {
		if err := s.Admit(before, after); err != nil {
			return err
		}
	}
	after.GetObjectKind().SetGroupVersionKind(kind)
	if before == nil {
		if after.GetUID() == "" {
			s.uids++
			after.SetUID(types.UID(fmt.Sprintf("uid-%d", s.uids)))
		}
		after.SetGeneration(1)
	} else {
		after.SetUID(before.GetUID())
		after.SetGeneration(before.GetGeneration())
		after.SetResourceVersion(before.GetResourceVersion())
		if equality.Semantic.DeepEqual(before, after) {
			return nil
		}
		b, a := reflect.ValueOf(before).Elem().FieldByName("Spec"), reflect.ValueOf(after).Elem().FieldByName("Spec")
		if b.IsValid() && !equality.Semantic.DeepEqual(b.Interface(), a.Interface()) {
			after.SetGeneration(before.GetGeneration() + 1)
		}
	}
	s.version++
	after.SetResourceVersion(strconv.Itoa(s.version))
	if s.objects[kind] == nil {
		s.objects[kind] = map[client.ObjectKey]client.Object{}
	}
	s.objects[kind][client.ObjectKeyFromObject(after)] = after
	for _, w := range s.watches[kind] {
		if before == nil {
			w.Add(after)
		} else {
			w.Modify(after)
		}
	}
	return nil
}

func (s *Server) live(o client.Object) (schema.GroupVersionKind, client.Object, error) {
	kind, err := apiutil.GVKForObject(o, s.scheme)
	if err != nil {
		return kind, nil, err
	}
	live, ok := s.objects[kind][client.ObjectKeyFromObject(o)]
	if !ok {
		return kind, nil, notFound(kind, o.GetName())
	}
	return kind, live, nil
}

// typed is an object in its Go type.
func (s *Server) typed(kind schema.GroupVersionKind, o runtime.Object) (client.Object, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o.(client.Object), nil
	}
	made, err := s.scheme.New(kind)
	if err != nil {
		return nil, err
	}
	return made.(client.Object), runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, made)
}

func (s *Server) manager(kind schema.GroupVersionKind, part string) *managedfields.FieldManager {
	m := managed{kind, part}
	if s.managers[m] == nil {
		made, err := managedfields.NewDefaultFieldManager(s.converter, s.scheme, noDefaults{}, s.scheme, kind, kind.GroupVersion(), part, nil)
		if err != nil {
			panic(err) // it has nothing to fail at but a missing kind
		}
		s.managers[m] = made
	}
	return s.managers[m]
}

type noDefaults struct{}

func (noDefaults) Default(runtime.Object) {}

func resource(kind schema.GroupVersionKind) schema.GroupResource {
	return schema.GroupResource{Group: kind.Group, Resource: kind.Kind}
}

func notFound(kind schema.GroupVersionKind, name string) error {
	return apierrors.NewNotFound(resource(kind), name)
}

func conflict(kind schema.GroupVersionKind, name string) error {
	return apierrors.NewConflict(resource(kind), name, errors.New("it has another UID"))
}
