package apiserver_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver"
)

func TestAPIServer(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "API server")
}

var (
	server *apiserver.Server
	admin  client.Client
	typed  kubernetes.Interface
)

var _ = BeforeSuite(func(ctx SpecContext) {
	began := time.Now()
	var err error
	server, err = apiserver.Start(ctx, apiserver.Options{})
	Expect(err).NotTo(HaveOccurred())
	GinkgoWriter.Println("started in", time.Since(began))
	DeferCleanup(func() {
		began := time.Now()
		server.Stop()
		GinkgoWriter.Println("stopped in", time.Since(began))
	})
	admin, err = client.New(server.Config, client.Options{})
	Expect(err).NotTo(HaveOccurred())
	typed, err = kubernetes.NewForConfig(server.Config)
	Expect(err).NotTo(HaveOccurred())
	SetDefaultEventuallyTimeout(10 * time.Second)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
})

// background is for clean-up, when a spec's own context has ended.
func background() context.Context { return context.Background() }
