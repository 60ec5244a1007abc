package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/runnel-dev/runnel/controllers/render"
)

// replacedMark is the hash annotation of a child between the replacement of its lists and the next apply. An operator that starts
// anew in between sees by it that the fields of the replacement are still to be moved.
const replacedMark = "replaced"

// write applies the child. Its UID goes along, so that an object which took its place in between makes a conflict. A child that
// was not there is applied without force: if somebody makes an object of that name first, that makes a conflict too.
//
// Somebody may have changed the key of a list's item, such as a Service port's number: to apply then adds an item beside theirs,
// which the API server may find invalid. In that case the lists are replaced as a whole first. If it is the child itself
// that is invalid, that fails too, and the first error says why.
func (a *Applier) write(ctx context.Context, p plan) error {
	p.child.Meta.WithAnnotations(map[string]string{HashAnnotation: p.hash})
	if p.whose == nobodys {
		return a.Client.Apply(ctx, p.child.Object, FieldOwner)
	}
	if p.uid != "" {
		p.child.Meta.WithUID(p.uid)
	}
	if p.replaced || p.whose == orphaned {
		if err := a.takeFields(ctx, p); err != nil {
			return fmt.Errorf("managed fields: %w", err)
		}
	}
	err := a.Client.Apply(ctx, p.child.Object, FieldOwner, client.ForceOwnership)
	if err == nil || !apierrors.IsInvalid(err) {
		return err
	}
	if a.replaceLists(ctx, p) != nil {
		return err
	}
	if err := a.takeFields(ctx, p); err != nil {
		return fmt.Errorf("managed fields: %w", err)
	}
	return a.Client.Apply(ctx, p.child.Object, FieldOwner, client.ForceOwnership)
}

// replaceLists merges the child into the live object by a merge patch, which replaces lists as a whole.
func (a *Applier) replaceLists(ctx context.Context, p plan) error {
	document, err := json.Marshal(p.child.Object)
	if err != nil {
		return err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(document, &fields); err != nil {
		return err
	}
	fields["metadata"].(map[string]any)["annotations"].(map[string]any)[HashAnnotation] = replacedMark
	if document, err = json.Marshal(fields); err != nil {
		return err
	}
	return a.patch(ctx, p, client.RawPatch(types.MergePatchType, document))
}

// takeFields makes the operator's apply the only owner of fields that the operator owns by a merge patch. Of an orphan, it also takes the
// fields of the manager that owns its labels: that manager restored the child from a backup. The API server removes a field that is no
// longer applied only if no other manager owns it.
func (a *Applier) takeFields(ctx context.Context, p plan) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(p.child.Kind)
	if err := a.Direct.Get(ctx, client.ObjectKey{Namespace: *p.child.Meta.Namespace, Name: p.child.Name}, live); err != nil {
		return err
	}
	managers := sets.New(string(FieldOwner))
	if p.whose == orphaned {
		label := fieldpath.NewSet(fieldpath.MakePathOrDie("metadata", "labels", render.LabelManagedBy))
		for i := range live.ManagedFields {
			entry := &live.ManagedFields[i]
			if entry.Manager != string(FieldOwner) && len(csaupgrade.FindFieldsOwners([]metav1.ManagedFieldsEntry{*entry}, entry.Operation, label)) > 0 {
				managers.Insert(entry.Manager)
				entry.Operation = metav1.ManagedFieldsOperationUpdate // the only ones that are moved
			}
		}
	}
	document, err := csaupgrade.UpgradeManagedFieldsPatch(live, managers, string(FieldOwner))
	if err != nil || document == nil {
		return err
	}
	return a.patch(ctx, p, client.RawPatch(types.JSONPatchType, document))
}

// patch patches the live object of the child in its Go type, by which the client knows what the cache has yet to show.
func (a *Applier) patch(ctx context.Context, p plan, patch client.Patch) error {
	made, err := a.object(p.child.Kind)
	if err != nil {
		return err
	}
	made.SetNamespace(*p.child.Meta.Namespace)
	made.SetName(p.child.Name)
	return a.Client.Patch(ctx, made, patch, FieldOwner)
}
