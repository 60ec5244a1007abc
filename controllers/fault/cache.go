package fault

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Event is one that the cache took up, as an informer tells it.
type Event struct {
	// Old is nil for an object that is new, New for one that is gone.
	Old, New client.Object
}

// Cache holds what a reconciler reads. It follows the API server at a distance: each read of it is a step, and what was written
// shows Lag steps later.
type Cache struct {
	// Lag is the number of steps between a write and its showing. It may change at any time.
	Lag int
	// Blind leaves out read-your-writes: reads do not wait for what the reconciler itself has written.
	Blind bool

	scheme  *runtime.Scheme
	indexes map[string]client.IndexerFunc
	keep    func(client.Object) bool
	watches map[schema.GroupVersionKind]watch.Interface
	kinds   []schema.GroupVersionKind

	step    int
	objects map[schema.GroupVersionKind]map[client.ObjectKey]client.Object
	pending map[schema.GroupVersionKind][]change
	told    []Event
}

// change is an event that the cache has yet to take up.
type change struct {
	gone   bool
	object client.Object
	due    int
	own    bool
}

// NewCache makes a cache of kinds, empty and without lag. It keeps only what keep says; indexes are by their names, for all kinds.
func NewCache(ctx context.Context, api client.WithWatch, indexes map[string]client.IndexerFunc, keep func(client.Object) bool, kinds ...client.ObjectList) (*Cache, error) {
	c := &Cache{
		scheme: api.Scheme(), indexes: indexes, keep: keep, watches: map[schema.GroupVersionKind]watch.Interface{},
		objects: map[schema.GroupVersionKind]map[client.ObjectKey]client.Object{}, pending: map[schema.GroupVersionKind][]change{},
	}
	for _, list := range kinds {
		kind, err := itemKind(list, c.scheme)
		if err != nil {
			return nil, err
		}
		w, err := api.Watch(ctx, list)
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", kind.Kind, err)
		}
		c.watches[kind], c.objects[kind] = w, map[client.ObjectKey]client.Object{}
		c.kinds = append(c.kinds, kind)
	}
	return c, nil
}

// Close ends the cache's watches.
func (c *Cache) Close() {
	for _, w := range c.watches {
		w.Stop()
	}
}

func itemKind(list runtime.Object, scheme *runtime.Scheme) (schema.GroupVersionKind, error) {
	kind, err := apiutil.GVKForObject(list, scheme)
	kind.Kind = kind.Kind[:len(kind.Kind)-len("List")]
	return kind, err
}

// Collect learns what was written, without showing it yet. It must be called at least after each 100 writes.
func (c *Cache) Collect() { c.collect(false) }

// own is Collect for what the reconciler has written just now.
func (c *Cache) own() { c.collect(true) }

func (c *Cache) collect(own bool) {
	for _, kind := range c.kinds {
		for more := true; more; {
			select {
			case e := <-c.watches[kind].ResultChan():
				c.pending[kind] = append(c.pending[kind], change{e.Type == watch.Deleted, e.Object.(client.Object), c.step + c.Lag, own})
			default:
				more = false
			}
		}
	}
}

// Sync shows all that was written. It returns whether there was any.
func (c *Cache) Sync() bool {
	c.Collect()
	any := false
	for _, kind := range c.kinds {
		any = any || len(c.pending[kind]) > 0
		c.show(kind, len(c.pending[kind]))
	}
	return any
}

// Told returns the events since it was last called.
func (c *Cache) Told() []Event {
	told := c.told
	c.told = nil
	return told
}

// Objects returns what the cache holds now, as after a restart of the process.
func (c *Cache) Objects() []client.Object {
	var all []client.Object
	for _, kind := range c.kinds {
		all = append(all, slices.Collect(maps.Values(c.objects[kind]))...)
	}
	return all
}

// tick is one step: what is due shows.
func (c *Cache) tick() {
	c.step++
	c.Collect()
	for _, kind := range c.kinds {
		n := 0
		for n < len(c.pending[kind]) && c.pending[kind][n].due <= c.step {
			n++
		}
		c.show(kind, n)
	}
}

// show takes up the first n events of a kind.
func (c *Cache) show(kind schema.GroupVersionKind, n int) {
	for _, e := range c.pending[kind][:n] {
		key := client.ObjectKeyFromObject(e.object)
		old, known := c.objects[kind][key]
		switch kept := !e.gone && c.keep(e.object); {
		case kept:
			c.objects[kind][key] = e.object
			c.told = append(c.told, Event{old, e.object})
		case known: // it is gone, or is no longer what the cache selects
			delete(c.objects[kind], key)
			c.told = append(c.told, Event{Old: old})
		}
	}
	c.pending[kind] = slices.Clone(c.pending[kind][n:])
}

// catchUp shows what the reconciler itself has written: of one object, or of the whole kind if key is nil. A watch tells in order,
// so what came before it shows too.
func (c *Cache) catchUp(kind schema.GroupVersionKind, key *client.ObjectKey) {
	n := 0
	for i, e := range c.pending[kind] {
		if e.own && (key == nil || *key == client.ObjectKeyFromObject(e.object)) {
			n = i + 1
		}
	}
	c.show(kind, n)
}

func (c *Cache) get(key client.ObjectKey, into client.Object, blind bool) error {
	kind, err := apiutil.GVKForObject(into, c.scheme)
	if err != nil {
		return err
	}
	if _, followed := c.objects[kind]; !followed {
		return fmt.Errorf("the cache does not hold objects of kind %s", kind.Kind)
	}
	c.tick()
	if !blind && !c.Blind {
		c.catchUp(kind, &key)
	}
	o, ok := c.objects[kind][key]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, key.Name)
	}
	handOut(o, into)
	return nil
}

func (c *Cache) list(into client.ObjectList, o *client.ListOptions) error {
	kind, err := itemKind(into, c.scheme)
	if err != nil {
		return err
	}
	if _, followed := c.objects[kind]; !followed {
		return fmt.Errorf("the cache does not hold objects of kind %s", kind.Kind)
	}
	c.tick()
	if !o.DisableReadYourWritesConsistency && !c.Blind {
		c.catchUp(kind, nil)
	}
	var items []runtime.Object
	for _, key := range slices.SortedFunc(maps.Keys(c.objects[kind]), byName) {
		object := c.objects[kind][key]
		if o.Namespace != "" && o.Namespace != key.Namespace || o.LabelSelector != nil && !o.LabelSelector.Matches(labels.Set(object.GetLabels())) {
			continue
		}
		if o.FieldSelector == nil || c.selects(o, object) {
			item := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
			handOut(object, item)
			items = append(items, item)
		}
	}
	return meta.SetList(into, items)
}

// selects says whether an object's index holds what is looked for.
func (c *Cache) selects(o *client.ListOptions, object client.Object) bool {
	for _, r := range o.FieldSelector.Requirements() {
		index := c.indexes[r.Field]
		if index == nil || !slices.Contains(index(object), r.Value) {
			return false
		}
	}
	return true
}
