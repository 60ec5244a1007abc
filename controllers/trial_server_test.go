package controllers

import (
	"errors"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	v1alpha1ac "github.com/runnel-dev/runnel/api/v1alpha1/applyconfiguration"
	"github.com/runnel-dev/runnel/controllers/fault"
)

// newServer makes an API server of all kinds of the tests.
func newServer(g Gomega) *fault.Server {
	s := runtime.NewScheme()
	g.Expect(scheme.AddToScheme(s)).To(Succeed())
	g.Expect(v1alpha1.AddToScheme(s)).To(Succeed())
	return fault.NewServer(s, converters{applyconfigurations.NewTypeConverter(s), v1alpha1ac.NewTypeConverter(s)})
}

// converters knows the fields of Kubernetes' own kinds and of Runnel's.
type converters struct{ kubernetes, runnel managedfields.TypeConverter }

func (c converters) of(kind schema.GroupVersionKind) managedfields.TypeConverter {
	if kind.Group == v1alpha1.GroupVersion.Group {
		return c.runnel
	}
	return c.kubernetes
}

func (c converters) ObjectToTyped(o runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	return c.of(o.GetObjectKind().GroupVersionKind()).ObjectToTyped(o, opts...)
}

func (c converters) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	return c.kubernetes.TypedToObject(v)
}

// admit refuses what an API server would.
func (w *trial) admit(before, after client.Object) error {
	if before == nil && w.going {
		err := apierrors.NewForbidden(schema.GroupResource{}, after.GetName(), errors.New("its namespace is being terminated"))
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
		return err
	}
	controllers := 0
	for _, ref := range after.GetOwnerReferences() {
		if ref.Controller != nil && *ref.Controller {
			controllers++
		}
	}
	if controllers > 1 {
		return apierrors.NewInvalid(schema.GroupKind{}, after.GetName(), nil)
	}
	if d, ok := after.(*appsv1.Deployment); ok {
		names := map[string]bool{}
		for _, port := range d.Spec.Template.Spec.Containers[0].Ports {
			if names[port.Name] {
				return apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, d.Name, nil)
			}
			names[port.Name] = true
		}
		for key := range d.Spec.Template.Spec.NodeSelector {
			if len(validation.IsQualifiedName(key)) > 0 {
				return apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, d.Name, nil)
			}
		}
	}
	return nil
}
