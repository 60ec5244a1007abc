package apiserver_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver"
)

var _ = Describe("A server", func() {
	It("says its version and serves by its kubeconfig", func(ctx SpecContext) {
		cfg, err := clientcmd.BuildConfigFromFlags("", server.Kubeconfig)
		Expect(err).NotTo(HaveOccurred())
		v, err := kubernetes.NewForConfigOrDie(cfg).Discovery().ServerVersion()
		Expect(err).NotTo(HaveOccurred())
		Expect(v.GitVersion).To(Equal("v1.37.2+sandbox"))
		_, err = kubernetes.NewForConfigOrDie(cfg).CoreV1().Secrets("kube-system").List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
	})

	It("publishes itself as the Service kubernetes", func(ctx SpecContext) {
		s, err := typed.CoreV1().Services("default").Get(ctx, "kubernetes", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Spec.ClusterIP).To(Equal("127.96.0.1"))
	})

	It("is gone while it is paused, and comes back at the same place", Serial, func(ctx SpecContext) {
		ns := newNamespace(ctx, nil)
		w, err := typed.CoreV1().ConfigMaps(ns).Watch(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(server.Pause()).To(Succeed())
		Expect(server.Pause()).NotTo(Succeed())
		Eventually(func() bool { // the watch ends, after what it had to tell
			select {
			case _, open := <-w.ResultChan():
				return !open
			default:
				return false
			}
		}).Should(BeTrue())
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = typed.CoreV1().Namespaces().Get(short, ns, metav1.GetOptions{})
		Expect(err).To(HaveOccurred())
		Expect(server.Resume()).To(Succeed())
		Expect(server.Resume()).NotTo(Succeed())
		Eventually(func() error {
			_, err := typed.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}}, metav1.CreateOptions{})
			return err
		}).Should(Succeed())
		w, err = typed.CoreV1().ConfigMaps(ns).Watch(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		defer w.Stop()
		Eventually(w.ResultChan()).Should(Receive(HaveField("Type", watch.Added)))
	})

	It("refuses an address that other machines can reach", func(ctx SpecContext) {
		_, err := apiserver.Start(ctx, apiserver.Options{Address: "0.0.0.0:0"})
		Expect(err).To(MatchError(ContainSubstring("name one of 127.0.0.0/8")))
	})

	It("leaves nothing behind", Serial, func(ctx SpecContext) {
		before := gleak.Goroutines()
		dir := GinkgoT().TempDir()
		state := filepath.Join(dir, "state")
		s, err := apiserver.Start(ctx, apiserver.Options{StateDir: state})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Kubeconfig).To(BeAnExistingFile())
		client := kubernetes.NewForConfigOrDie(s.Config)
		watching, err := client.CoreV1().RESTClient().Get().Resource("namespaces").Param("watch", "true").Stream(ctx)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = watching.Close() }()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.Stop()
			s.Stop()
		}()
		Eventually(stopped).Should(BeClosed())
		_, err = io.Copy(io.Discard, watching)
		// A server that waits for its watches ends them in order, after a minute.
		Expect(err).To(And(HaveOccurred(), Not(MatchError(ContainSubstring("GOAWAY")))), "a stop cuts them")
		Expect(os.ReadDir(state)).To(BeEmpty())
		// Of the libraries' own goroutines a few outlive the server; it must not be hundreds.
		Eventually(func() int { return len(gleak.Goroutines()) - len(before) }).Should(BeNumerically("<", 40))
	})
})
