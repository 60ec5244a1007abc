package render_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/process"
)

// TestTheDocumentedSizesCanBeApplied holds the table of docs/sizing.md: the operator takes each memory limit, and the hub lets in as many
// readers as the table says.
func TestTheDocumentedSizesCanBeApplied(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("../../docs/sizing.md")
	g.Expect(err).NotTo(HaveOccurred())
	rows := regexp.MustCompile(`(?m)^\| (\d+[MG]i) \| ([\d,]+) \| ([\d,]+) \|$`).FindAllStringSubmatch(string(text), -1)
	g.Expect(len(rows)).To(BeNumerically(">", 1))
	for _, row := range rows {
		r, err := render.Resolve(stream(func(s *v1alpha1.EventStream) {
			s.Spec.Template = &v1alpha1.HubTemplate{Resources: memory("", row[1])}
		}))
		g.Expect(err).NotTo(HaveOccurred(), row[0])
		limit := resource.MustParse(row[1])
		limits := process.Limits{Memory: uint64(limit.Value())}
		for i, encrypted := range []bool{false, true} {
			want, err := strconv.Atoi(strings.ReplaceAll(row[2+i], ",", ""))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(limits.Connections(process.Use{Retention: r.RetentionBytes, Encrypted: encrypted})).To(Equal(want), row[0])
		}
	}
}
