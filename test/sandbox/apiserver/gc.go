package apiserver

import (
	"context"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
)

// collector deletes objects whose owners are gone, as kube-controller-manager's garbage collector does: background,
// foreground and orphaning deletion.
type collector struct {
	client    metadata.Interface
	catalogue *catalogue
	work      *work[types.UID]
	watches   sync.WaitGroup

	mu         sync.Mutex // guards what follows; taken after catalogue.mu where both are
	objects    map[types.UID]object
	dependents map[types.UID]map[types.UID]struct{}
	cancel     map[schema.GroupVersionResource]context.CancelFunc
}

// object is what the collector knows of one.
type object struct {
	served
	meta *metav1.PartialObjectMetadata
}

// collectorWorkers is enough for thousands of deletions a second.
const collectorWorkers = 4

func newCollector(client metadata.Interface, c *catalogue) *collector {
	g := &collector{
		client: client, catalogue: c,
		objects:    map[types.UID]object{},
		dependents: map[types.UID]map[types.UID]struct{}{},
		cancel:     map[schema.GroupVersionResource]context.CancelFunc{},
	}
	g.work = newWork(g.process)
	return g
}

// run collects until ctx ends.
func (g *collector) run(ctx context.Context) {
	g.catalogue.watch(func(r served, added bool) {
		if added {
			g.watch(ctx, r)
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if stop := g.cancel[r.resource]; stop != nil {
			stop()
			delete(g.cancel, r.resource)
		}
	})
	g.work.run(ctx, collectorWorkers)
	g.watches.Wait()
}

// watch follows the objects of a resource, save those that own nothing, are owned by nothing, and are many.
func (g *collector) watch(ctx context.Context, r served) {
	if r.resource.Resource == "events" || ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	g.mu.Lock()
	g.cancel[r.resource] = stop
	g.mu.Unlock()
	i := metadatainformer.NewFilteredMetadataInformer(g.client, r.resource, metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()
	_ = i.SetTransform(func(o any) (any, error) { // it fails only once the informer runs
		if m, ok := o.(*metav1.PartialObjectMetadata); ok {
			m.ManagedFields, m.Annotations, m.Labels = nil, nil, nil
		}
		return o, nil
	})
	_, _ = i.AddEventHandler(cache.ResourceEventHandlerFuncs{ // it fails only once the informer has stopped
		AddFunc:    func(o any) { g.seen(r, nil, o.(*metav1.PartialObjectMetadata)) },
		UpdateFunc: func(old, o any) { g.seen(r, old.(*metav1.PartialObjectMetadata), o.(*metav1.PartialObjectMetadata)) },
		DeleteFunc: func(o any) {
			if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = t.Obj
			}
			g.gone(o.(*metav1.PartialObjectMetadata))
		},
	})
	g.watches.Go(func() { i.RunWithContext(ctx) })
}

func (g *collector) seen(r served, old, m *metav1.PartialObjectMetadata) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if old != nil {
		g.unlink(old)
	}
	g.objects[m.UID] = object{r, m}
	for _, ref := range m.OwnerReferences {
		if g.dependents[ref.UID] == nil {
			g.dependents[ref.UID] = map[types.UID]struct{}{}
		}
		g.dependents[ref.UID][m.UID] = struct{}{}
		if old != nil {
			g.work.queue.Add(ref.UID) // an owner that is deleted in the foreground may wait for this change
		}
	}
	if len(m.OwnerReferences) > 0 || m.DeletionTimestamp != nil {
		g.work.queue.Add(m.UID)
	}
}

func (g *collector) gone(m *metav1.PartialObjectMetadata) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unlink(m)
	delete(g.objects, m.UID)
	for _, ref := range m.OwnerReferences {
		g.work.queue.Add(ref.UID)
	}
	for uid := range g.dependents[m.UID] {
		g.work.queue.Add(uid)
	}
}

func (g *collector) unlink(m *metav1.PartialObjectMetadata) {
	for _, ref := range m.OwnerReferences {
		delete(g.dependents[ref.UID], m.UID)
		if len(g.dependents[ref.UID]) == 0 {
			delete(g.dependents, ref.UID)
		}
	}
}

// find returns an object and its dependents as the collector saw them last.
func (g *collector) find(uid types.UID) (o object, dependents []object, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o, ok = g.objects[uid]
	for d := range g.dependents[uid] {
		if dep, ok := g.objects[d]; ok {
			dependents = append(dependents, dep)
		}
	}
	return o, dependents, ok
}

// kept says whether every owner of an object is there, and stays: the server need not be asked, since what ends that is seen, and
// brings the object back.
func (g *collector) kept(o object) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, ref := range o.meta.OwnerReferences {
		owner, ok := g.objects[ref.UID]
		if !ok || owner.meta.DeletionTimestamp != nil || owner.meta.Name != ref.Name || owner.kind.Kind != ref.Kind ||
			owner.namespaced && owner.meta.Namespace != o.meta.Namespace {
			return false
		}
	}
	return true
}

func has(m *metav1.PartialObjectMetadata, finalizer string) bool {
	return slices.Contains(m.Finalizers, finalizer)
}
