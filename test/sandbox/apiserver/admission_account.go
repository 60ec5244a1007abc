package apiserver

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/client-go/kubernetes"
)

const (
	// apiTokenPath is where client libraries look for a pod's credentials.
	apiTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"
	// apiTokenSeconds is an hour, and seven seconds by which kube-apiserver knows the volumes that it added.
	apiTokenSeconds = 3607
	// A new namespace gets its ServiceAccount a moment later, and a pod that comes first waits for it. A real cluster gives up
	// after a second or two. A slow and busy machine needs more: nearly the 34 s after which the API server ends every creation.
	accountPatience = 30 * time.Second
	accountPoll     = 20 * time.Millisecond
)

// accountAdmission gives a new pod its ServiceAccount, and the volume with its token unless that is declined.
type accountAdmission struct {
	*admission.Handler
	client kubernetes.Interface
}

func newAccountAdmission(client kubernetes.Interface) *accountAdmission {
	return &accountAdmission{Handler: admission.NewHandler(admission.Create), client: client}
}

// Admit implements admission.MutationInterface.
func (a *accountAdmission) Admit(ctx context.Context, attrs admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, ok := attrs.GetObject().(*corev1.Pod)
	if !ok || attrs.GetSubresource() != "" {
		return nil
	}
	orValue(&pod.Spec.ServiceAccountName, defaultAccount)
	pod.Spec.DeprecatedServiceAccount = pod.Spec.ServiceAccountName
	account, err := a.account(ctx, attrs.GetNamespace(), pod.Spec.ServiceAccountName)
	if err != nil {
		return admission.NewForbidden(attrs, fmt.Errorf("error looking up service account %s/%s: %w", attrs.GetNamespace(), pod.Spec.ServiceAccountName, err))
	}
	if len(pod.Spec.ImagePullSecrets) == 0 {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, account.ImagePullSecrets...)
	}
	if wantsToken(pod, account) {
		mountToken(pod)
	}
	return nil
}

func (a *accountAdmission) account(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	if namespace == "" {
		return nil, errors.New("the pod has no namespace")
	}
	var found *corev1.ServiceAccount
	var err error
	_ = wait.PollUntilContextTimeout(ctx, accountPoll, accountPatience, true, func(ctx context.Context) (bool, error) {
		found, err = a.client.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
		return name != defaultAccount || !apierrors.IsNotFound(err), nil
	}) // its only error is that the account has not come, which err says better
	return found, err
}

func wantsToken(pod *corev1.Pod, account *corev1.ServiceAccount) bool {
	switch {
	case pod.Spec.AutomountServiceAccountToken != nil:
		return *pod.Spec.AutomountServiceAccountToken
	case account.AutomountServiceAccountToken != nil:
		return *account.AutomountServiceAccountToken
	}
	return true
}

// mountToken adds the token's volume to every container that has nothing at its place.
func mountToken(pod *corev1.Pod) {
	volume := names.SimpleNameGenerator.GenerateName("kube-api-access-")
	added := false
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			if mounts(containers[i], apiTokenPath) {
				continue
			}
			containers[i].VolumeMounts = append(containers[i].VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: apiTokenPath, ReadOnly: true})
			added = true
		}
	}
	if added {
		pod.Spec.Volumes = append(pod.Spec.Volumes, tokenVolume(volume))
	}
}

func mounts(c corev1.Container, at string) bool {
	for _, m := range c.VolumeMounts {
		if path.Clean(m.MountPath) == at {
			return true
		}
	}
	return false
}

func tokenVolume(name string) corev1.Volume {
	v := corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: corev1.ServiceAccountTokenKey, ExpirationSeconds: new(int64(apiTokenSeconds))}},
		{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: rootCAName},
			Items:                []corev1.KeyToPath{{Key: rootCAKey, Path: corev1.ServiceAccountRootCAKey}},
		}},
		{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
			Path: corev1.ServiceAccountNamespaceKey, FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
		}}}},
	}}}}
	defaultVolume(&v)
	return v
}
