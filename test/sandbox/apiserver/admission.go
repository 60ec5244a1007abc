package apiserver

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
)

// newAdmission is the chain of admission plugins: objects only in live namespaces.
func newAdmission(client kubernetes.Interface, i informers.SharedInformerFactory) (admission.Interface, error) {
	immortal := sets.New(corev1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic)
	life, err := lifecycle.NewLifecycle(immortal)
	if err != nil {
		return nil, fmt.Errorf("namespace lifecycle: %w", err)
	}
	life.SetExternalKubeInformerFactory(i)
	life.SetExternalKubeClientSet(client)
	if err := life.ValidateInitialization(); err != nil {
		return nil, fmt.Errorf("namespace lifecycle: %w", err)
	}
	return admission.NewChainHandler(life), nil
}
