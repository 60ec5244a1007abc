// Package e2e_test holds Runnel against its promises as it was installed: the operator in its pod with its own rights, hubs in
// restricted namespaces, clients through Services.
package e2e_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/sandbox"
	"github.com/runnel-dev/runnel/test/suite"
)

// p is what all specs share.
var p *platform.Platform

// watched checks every status that is ever written.
var watched *statusWatch

func TestEndToEnd(t *testing.T) {
	suite.Run(t, "End to end")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	logf.SetLogger(suite.Logger())
	bin, err := platform.Programs(ctx)
	Expect(err).NotTo(HaveOccurred())
	p, err = platform.Start(ctx, platform.Options{Bin: bin, Sandbox: sandbox.Options{
		Calls:  calls.tell,
		Images: map[string]sandbox.Image{publisherImage: {Root: "/"}},
	}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		Expect(p.Stop()).To(Succeed())
		Expect(p.Kubeconfig).NotTo(BeAnExistingFile())
	})
	Expect(p.Install(ctx)).To(Succeed())
	watched = watchStatuses()
	DeferCleanup(watched.stop)
	letMetricsBeRead(ctx)
}, NodeTimeout(suite.Timeout))

var _ = AfterEach(func(ctx SpecContext) {
	watched.check()
	streams := &v1alpha1.EventStreamList{}
	Expect(p.Client.List(ctx, streams)).To(Succeed())
	for i := range streams.Items {
		Expect(brokenRules(&streams.Items[i])).To(BeEmpty())
	}
	if CurrentSpecReport().Failed() {
		suite.Keep("log of the operator", operatorLog(ctx))
	}
})

// get reads an object by its name.
func get[T client.Object](ctx context.Context, key client.ObjectKey, o T) T {
	GinkgoHelper()
	Expect(p.Client.Get(ctx, key, o)).To(Succeed())
	return o
}
