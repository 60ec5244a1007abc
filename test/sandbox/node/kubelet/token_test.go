package kubelet

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestTokensAreRenewedAfterFourFifthsOfTheirLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		client := fake.NewClientset()
		asked := 0
		client.PrependReactor("create", "serviceaccounts", func(a clienttesting.Action) (bool, runtime.Object, error) {
			asked++
			r := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenRequest)
			g.Expect(r.Spec.BoundObjectRef.Name).To(Equal("p"))
			r.Status.Token = fmt.Sprintf("token %d", asked)
			r.Status.ExpirationTimestamp = metav1.NewTime(time.Now().Add(time.Duration(*r.Spec.ExpirationSeconds) * time.Second))
			return true, r, nil
		})
		w := &worker{k: &Kubelet{Options: Options{Client: client}}, pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}}
		source := &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: new(int64(1000))}
		get := func() string {
			token, err := w.tokens.get(t.Context(), w, "v", source)
			g.Expect(err).NotTo(HaveOccurred())
			return token
		}
		g.Expect(get()).To(Equal("token 1"))
		g.Expect(get()).To(Equal("token 1"), "it is kept")
		g.Expect(time.Until(w.tokens.due)).To(Equal(800 * time.Second))
		time.Sleep(799 * time.Second)
		g.Expect(get()).To(Equal("token 1"))
		time.Sleep(time.Second)
		g.Expect(get()).To(Equal("token 2"))
	})
}
