package node_test

import (
	"context"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// whoami asks the API server as the pod would, by the kubeconfig in its environment.
func whoami(ctx context.Context, p *corev1.Pod) (string, error) {
	at, err := ask(p.Status.PodIP, "/env?name=KUBECONFIG")()
	if err != nil {
		return "", err
	}
	c, err := clientcmd.BuildConfigFromFlags("", filepath.Clean(at))
	if err != nil {
		return "", err
	}
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		return "", err
	}
	r, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return r.Status.UserInfo.Username, nil
}
