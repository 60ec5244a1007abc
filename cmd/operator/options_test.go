package main

import (
	"io"
	"os"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

// The chart writes out what it leaves as it is, so that people see it.
func TestTheChartHasTheDefaultsOfTheFlags(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("../../charts/runnel/values.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var values struct {
		ImagePolicy           v1alpha1.ImagePolicy
		MaxConcurrentUpgrades int
		ClusterDomain         string
		Concurrent            int
	}
	g.Expect(yaml.Unmarshal(text, &values)).To(Succeed())
	o, err := parse([]string{"--hub-image=a"}, environment(nil), io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(values.ImagePolicy).To(Equal(o.imagePolicy))
	g.Expect(values.MaxConcurrentUpgrades).To(Equal(o.upgrades))
	g.Expect(values.ClusterDomain).To(Equal(o.clusterDomain))
	g.Expect(values.Concurrent).To(Equal(o.concurrent))
}

func TestFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		env   map[string]string
		err   string
		check func(Gomega, *options)
	}{
		"the hub's image is required": {nil, nil, "--hub-image", nil},
		"it may come from the environment": {nil, map[string]string{hubImageVariable: "runnel:1"}, "", func(g Gomega, o *options) {
			g.Expect(o.hubImage).To(Equal("runnel:1"))
		}},
		"the flag wins": {[]string{"--hub-image=runnel:2"}, map[string]string{hubImageVariable: "runnel:1"}, "", func(g Gomega, o *options) {
			g.Expect(o.hubImage).To(Equal("runnel:2"))
			g.Expect(o.concurrent).To(Equal(defaultConcurrent))
			g.Expect(o.metricsAddress).To(Equal(":8443"))
			g.Expect(o.namespaces).To(BeEmpty())
			g.Expect(o.imagePolicy).To(Equal(v1alpha1.ImagePinned))
			g.Expect(o.upgrades).To(Equal(5))
		}},
		"upgrades": {[]string{"--hub-image=a", "--image-policy=FollowOperator", "--max-concurrent-upgrades=2"}, nil, "", func(g Gomega, o *options) {
			g.Expect(o.imagePolicy).To(Equal(v1alpha1.ImageFollowOperator))
			g.Expect(o.upgrades).To(Equal(2))
		}},
		"an unknown policy": {[]string{"--hub-image=a", "--image-policy=Never"}, nil, "--image-policy", nil},
		"no upgrade at all": {[]string{"--hub-image=a", "--max-concurrent-upgrades=0"}, nil, "--image-policy=Pinned", nil},
		"namespaces": {[]string{"--hub-image=a", "--namespaces=x, y,", "--namespaces=z"}, nil, "", func(g Gomega, o *options) {
			g.Expect(o.namespaces).To(Equal([]string{"x", "y", "z"}))
		}},
		"the listen host is for addresses without one": {
			[]string{"--hub-image=a", "--health-probe-bind-address=127.0.0.1:1"}, map[string]string{hostVariable: "127.1.2.3"}, "",
			func(g Gomega, o *options) {
				g.Expect(o.metricsAddress).To(Equal("127.1.2.3:8443"))
				g.Expect(o.probeAddress).To(Equal("127.0.0.1:1"))
			}},
		"metrics stay off": {[]string{"--hub-image=a", "--metrics-bind-address=0"}, map[string]string{hostVariable: "127.1.2.3"}, "",
			func(g Gomega, o *options) { g.Expect(o.metricsAddress).To(Equal("0")) }},
		"no worker":        {[]string{"--hub-image=a", "--concurrent=0"}, nil, "--concurrent", nil},
		"no domain":        {[]string{"--hub-image=a", "--cluster-domain=."}, nil, "--cluster-domain", nil},
		"a forgotten dash": {[]string{"--hub-image=a", "leader-elect"}, nil, "leader-elect", nil},
		"an unknown flag":  {[]string{"--hub=a"}, nil, "hub", nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o, err := parse(c.args, environment(c.env), io.Discard)
			if c.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(c.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			c.check(g, o)
		})
	}
}
