package kubelet

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	tokenMount  = "/var/run/secrets/kubernetes.io/serviceaccount" // where client libraries look
	tokenVolume = "kube-api-access"
	// apiTokenLife is what kube-apiserver's admission asks for: an hour, and seven seconds that mark it as its own.
	apiTokenLife = 3607
	// projectedLife is the API's default for a projected token.
	projectedLife = 3600
)

// tokens are the ServiceAccount tokens of one pod, each kept until 80 % of its life are over, as by a kubelet.
type tokens struct {
	held map[string]heldToken
	due  time.Time // when the first of them is to be renewed; zero: never
}

type heldToken struct {
	token string
	renew time.Time
}

func (t *tokens) get(ctx context.Context, w *worker, volume string, p *corev1.ServiceAccountTokenProjection) (string, error) {
	key := volume + "/" + p.Path
	held, ok := t.held[key]
	if !ok || !time.Now().Before(held.renew) {
		fresh, err := w.requestToken(ctx, p)
		if err != nil {
			return "", err
		}
		if t.held == nil {
			t.held = map[string]heldToken{}
		}
		t.held[key], held = fresh, fresh
	}
	if t.due.IsZero() || held.renew.Before(t.due) {
		t.due = held.renew
	}
	return held.token, nil
}

// requestToken asks for a token that is bound to the pod, so that it is worth nothing once the pod is gone.
func (w *worker) requestToken(ctx context.Context, p *corev1.ServiceAccountTokenProjection) (heldToken, error) {
	life := int64(projectedLife)
	if p.ExpirationSeconds != nil {
		life = *p.ExpirationSeconds
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &life,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: w.pod.Name, UID: w.pod.UID},
	}}
	if p.Audience != "" {
		request.Spec.Audiences = []string{p.Audience}
	}
	asked := time.Now()
	account := w.account()
	answer, err := w.k.Client.CoreV1().ServiceAccounts(w.pod.Namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return heldToken{}, fmt.Errorf("failed to fetch token of ServiceAccount %s: %w", account, err)
	}
	return heldToken{answer.Status.Token, asked.Add(answer.Status.ExpirationTimestamp.Sub(asked) * 8 / 10)}, nil
}

func (w *worker) account() string {
	if w.pod.Spec.ServiceAccountName != "" {
		return w.pod.Spec.ServiceAccountName
	}
	return "default"
}

// automount adds the API token to the containers that have nothing at its place, unless the pod or its ServiceAccount
// declines. On a real cluster the API server's admission does it.
func (w *worker) automount(ctx context.Context) error {
	account, err := w.k.Client.CoreV1().ServiceAccounts(w.pod.Namespace).Get(ctx, w.account(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	wanted := true
	if account.AutomountServiceAccountToken != nil {
		wanted = *account.AutomountServiceAccountToken
	}
	if w.pod.Spec.AutomountServiceAccountToken != nil {
		wanted = *w.pod.Spec.AutomountServiceAccountToken
	}
	if !wanted {
		return nil
	}
	added := false
	for _, list := range [][]corev1.Container{w.spec.InitContainers, w.spec.Containers} {
		for i := range list {
			if !hasToken(&list[i]) {
				list[i].VolumeMounts = append(list[i].VolumeMounts, corev1.VolumeMount{Name: tokenVolume, MountPath: tokenMount, ReadOnly: true})
				added = true
			}
		}
	}
	if added {
		w.spec.Volumes = append(w.spec.Volumes, apiAccess())
	}
	return nil
}

// apiAccess is the volume that kube-apiserver's admission adds.
func apiAccess() corev1.Volume {
	return corev1.Volume{Name: tokenVolume, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: corev1.ServiceAccountTokenKey, ExpirationSeconds: new(int64(apiTokenLife))}},
		{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
			Items:                []corev1.KeyToPath{{Key: corev1.ServiceAccountRootCAKey, Path: corev1.ServiceAccountRootCAKey}},
		}},
		{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
			Path: corev1.ServiceAccountNamespaceKey, FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"},
		}}}},
	}}}}
}

// hasToken says that something is mounted where client libraries look for their token.
func hasToken(c *corev1.Container) bool {
	for _, m := range c.VolumeMounts {
		if filepath.Clean(m.MountPath) == tokenMount {
			return true
		}
	}
	return false
}

func (w *worker) kubeconfig() string { return filepath.Join(w.dir, "kubeconfig") }

// writeKubeconfig stands in for client libraries' in-cluster configuration, whose paths are fixed: it names the token's
// file, so that a rotated token is seen.
func (w *worker) writeKubeconfig() error {
	for i := range w.spec.Containers {
		c := &w.spec.Containers[i]
		ms, err := newMounts(c, w.volumeDir, w.treeDir(c.Name))
		if err != nil {
			return err
		}
		token, ok := ms.path(tokenMount + "/" + corev1.ServiceAccountTokenKey)
		if !ok {
			continue
		}
		const name = "sandbox"
		kc := clientcmdapi.NewConfig()
		kc.Clusters[name] = &clientcmdapi.Cluster{Server: w.k.Config.Host, CertificateAuthority: w.k.Config.CAFile, CertificateAuthorityData: w.k.Config.CAData}
		kc.AuthInfos[name] = &clientcmdapi.AuthInfo{TokenFile: token}
		kc.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: w.pod.Namespace}
		kc.CurrentContext = name
		data, err := clientcmd.Write(*kc)
		if err != nil {
			return err
		}
		return os.WriteFile(w.kubeconfig(), data, 0o600)
	}
	return nil
}

// apiServer splits the API server's address.
func apiServer(c *rest.Config) (host, port string) {
	at := c.Host
	if u, err := url.Parse(c.Host); err == nil && u.Host != "" {
		at = u.Host
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return strings.Trim(at, "[]"), "443"
	}
	return host, port
}
