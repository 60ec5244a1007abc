package apiserver

import (
	"context"
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	podsecurity "k8s.io/pod-security-admission/admission"
	"k8s.io/pod-security-admission/admission/api/load"
	securityapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/metrics"
	"k8s.io/pod-security-admission/policy"
)

// newAdmission is the chain of admission plugins: objects only in live namespaces, pods with a ServiceAccount, and
// Pod Security as the namespace's labels say.
func newAdmission(client kubernetes.Interface, i informers.SharedInformerFactory) (admission.Interface, error) {
	life, err := lifecycle.NewLifecycle(sets.New(metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic))
	if err != nil {
		return nil, fmt.Errorf("namespace lifecycle: %w", err)
	}
	life.SetExternalKubeInformerFactory(i)
	life.SetExternalKubeClientSet(client)
	if err := life.ValidateInitialization(); err != nil {
		return nil, fmt.Errorf("namespace lifecycle: %w", err)
	}
	security, err := newPodSecurity(client, i)
	if err != nil {
		return nil, fmt.Errorf("pod security: %w", err)
	}
	return admission.NewChainHandler(life, newAccountAdmission(client), security), nil
}

// podSecurity asks the Pod Security library about a request, as the plugin of kube-apiserver does.
type podSecurity struct {
	*admission.Handler
	decide *podsecurity.Admission
}

func newPodSecurity(client kubernetes.Interface, i informers.SharedInformerFactory) (*podSecurity, error) {
	configuration, err := load.LoadFromData(nil) // privileged unless a namespace says otherwise
	if err != nil {
		return nil, err
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	a := &podsecurity.Admission{
		Configuration:    configuration,
		Evaluator:        evaluator,
		Metrics:          noMetrics{},
		PodSpecExtractor: podsecurity.DefaultPodSpecExtractor{},
		NamespaceGetter:  podsecurity.NamespaceGetterFromListerAndClient(i.Core().V1().Namespaces().Lister(), client),
		PodLister:        podsecurity.PodListerFromClient(client),
	}
	if err := a.CompleteConfiguration(); err != nil {
		return nil, err
	}
	if err := a.ValidateConfiguration(); err != nil {
		return nil, err
	}
	return &podSecurity{Handler: admission.NewHandler(admission.Create, admission.Update), decide: a}, nil
}

// Validate implements admission.ValidationInterface.
func (p *podSecurity) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	resource := a.GetResource().GroupResource()
	if resource != corev1.Resource("namespaces") && !p.decide.PodSpecExtractor.HasPodSpec(resource) || a.GetSubresource() != "" {
		return nil
	}
	answer := p.decide.Validate(ctx, &securityapi.AttributesRecord{
		Name: a.GetName(), Namespace: a.GetNamespace(), Kind: a.GetKind(), Resource: a.GetResource(), Subresource: a.GetSubresource(),
		Operation: admissionv1.Operation(a.GetOperation()), Object: a.GetObject(), OldObject: a.GetOldObject(), Username: a.GetUserInfo().GetName(),
	})
	for _, w := range answer.Warnings {
		warning.AddWarning(ctx, "", w)
	}
	if answer.Allowed {
		return nil
	}
	refused := admission.NewForbidden(a, errors.New("not allowed by Pod Security"))
	var status *apierrors.StatusError
	if errors.As(refused, &status) && answer.Result != nil {
		if answer.Result.Message != "" {
			status.ErrStatus.Message = answer.Result.Message
		}
		if answer.Result.Code != 0 {
			status.ErrStatus.Code, status.ErrStatus.Reason = answer.Result.Code, answer.Result.Reason
		}
		if answer.Result.Details != nil {
			status.ErrStatus.Details = answer.Result.Details
		}
	}
	return refused
}

// noMetrics keeps the library's counters out of the process's registry, which may hold several servers.
type noMetrics struct{}

func (noMetrics) RecordEvaluation(metrics.Decision, securityapi.LevelVersion, metrics.Mode, securityapi.Attributes) {
}
func (noMetrics) RecordExemption(securityapi.Attributes)   {}
func (noMetrics) RecordError(bool, securityapi.Attributes) {}
