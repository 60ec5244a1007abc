package e2e_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/platform"
)

// publisherImage is the sample's. In the sandbox this machine's shell and curl stand for those of the image.
const publisherImage = "nginxinc/nginx-unprivileged"

// sample decodes the objects of a file of config/samples as an API server does that is strict. Where the file names a namespace, they get
// this one.
func sample(namespace, name string) (objects []client.Object) {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(platform.Root(), "config", "samples", name))
	Expect(err).NotTo(HaveOccurred())
	scheme, err := platform.Scheme()
	Expect(err).NotTo(HaveOccurred())
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		document = strings.ReplaceAll(document, "runnel.dev/default/", "runnel.dev/"+namespace+"/")
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		Expect(err).NotTo(HaveOccurred())
		objects = append(objects, object.(client.Object))
		objects[len(objects)-1].SetNamespace(namespace)
	}
	return objects
}

// leadTo has curl, as it runs in a container, reach a URL of the sandbox by the name of a Service, which this machine cannot resolve.
func leadTo(c *corev1.Container, service, at string) {
	GinkgoHelper()
	u, err := url.Parse(at)
	Expect(err).NotTo(HaveOccurred())
	port := u.Port()
	if port == "" {
		port = "80"
	}
	dir := GinkgoT().TempDir()
	line := "connect-to = " + service + ":80:" + u.Hostname() + ":" + port + "\n"
	Expect(os.WriteFile(filepath.Join(dir, ".curlrc"), []byte(line), 0o600)).To(Succeed())
	c.Env = append(c.Env, corev1.EnvVar{Name: "CURL_HOME", Value: dir})
}

var _ = Describe("The sample of a publisher", func() {
	It("publishes to the sample stream from a restricted namespace", func(ctx SpecContext) {
		if _, err := exec.LookPath("curl"); err != nil {
			Skip("no curl: install it (apt-get install curl), or run test/setup as root")
		}
		namespace := newNamespace(ctx)
		object := sample(namespace, "eventstream.yaml")[0].(*v1alpha1.EventStream)
		s := carriedOut(ctx, object)

		objects := sample(namespace, "publisher.yaml")
		Expect(objects[0]).To(HaveField("Name", publisher), "the namespace has this ServiceAccount already")
		deployment := objects[1].(*appsv1.Deployment)
		pod := &deployment.Spec.Template.Spec
		Expect(pod.ServiceAccountName).To(Equal(publisher))
		Expect(pod.Volumes[0].Projected.Sources[0].ServiceAccountToken.Audience).To(Equal(s.now(ctx).Status.Address.Audience))
		leadTo(&pod.Containers[0], render.PublishName(object.Name), s.publish)
		r := s.read(ctx, "")
		Expect(p.Client.Create(ctx, deployment)).To(Succeed())
		for _, data := range []string{`{"n":1}`, `{"n":2}`} {
			e := r.next(ctx)
			Expect(e.Data).To(Equal(data))
			Expect(e.Type).To(Equal("order"))
		}
	})
})
