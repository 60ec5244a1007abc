package e2e_test

import (
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

var _ = Describe("A stream's first hub", func() {
	It("misses nobody where no name server answers, and hands its history over later", func(ctx SpecContext) {
		p.Node.SilenceNames(true)
		DeferCleanup(func() { p.Node.SilenceNames(false) })
		s := serving(ctx)
		Expect(s.hubStatus(ctx).Handover.Result).To(Equal("first"))
		file, err := p.Node.LogFile(s.key.Namespace, s.hub(ctx).Name, "")
		Expect(err).NotTo(HaveOccurred())
		log, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(log)).NotTo(ContainSubstring(`"level":"ERROR"`))
		Eventually(func() string {
			cm := get(ctx, s.child(render.HubName(s.key.Name)), &corev1.ConfigMap{})
			c, err := config.Decode([]byte(cm.Data[render.ConfigKey]))
			Expect(err).NotTo(HaveOccurred())
			return c.Peers.First
		}).Should(BeEmpty())
		r := s.read(ctx, "")
		s.send(ctx, "1")
		e := r.next(ctx)
		s.send(ctx, "2")

		p.Node.SilenceNames(false)
		before := s.pods(ctx)
		s.restart(ctx, "first")
		s.replaced(ctx, before)
		again := s.readAgain(ctx, e.ID)
		Expect(again.resume).To(Equal("exact"))
		Expect(again.receives(ctx)).To(Equal("2"))
	})
})
