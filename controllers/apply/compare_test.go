package apply

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

func TestDifference(t *testing.T) {
	for name, c := range map[string]struct {
		actual, desired string
		want            bool
	}{
		"the same":                         {`{a: 1, b: x}`, `{a: 1, b: x}`, true},
		"another value":                    {`{a: 1}`, `{a: 2}`, false},
		"a missing value":                  {`{}`, `{a: 1}`, false},
		"a foreign label":                  {`{metadata: {labels: {a: "1", b: "2"}}}`, `{metadata: {labels: {a: "1"}}}`, true},
		"a defaulted field":                {`{spec: {replicas: 1, progressDeadlineSeconds: 600}}`, `{spec: {replicas: 1}}`, true},
		"false where nothing is":           {`{}`, `{automountServiceAccountToken: false}`, false},
		"an empty map where nothing is":    {`{}`, `{resources: {}}`, true},
		"an empty list where nothing is":   {`{}`, `{drop: []}`, true},
		"a map where a word is":            {`{a: x}`, `{a: {b: 1}}`, false},
		"a sidecar":                        {`{containers: [{name: mesh}, {name: hub, image: a}]}`, `{containers: [{name: hub, image: a}]}`, true},
		"a container with another image":   {`{containers: [{name: hub, image: b}]}`, `{containers: [{name: hub, image: a}]}`, false},
		"a container that is not there":    {`{containers: [{name: mesh}]}`, `{containers: [{name: hub}]}`, false},
		"container ports in another order": {`{ports: [{containerPort: 2, protocol: TCP, name: b}, {containerPort: 1, protocol: TCP, name: a}]}`, `{ports: [{containerPort: 1, protocol: TCP, name: a}]}`, true},
		"a Service port of another number": {`{ports: [{port: 81, protocol: TCP}]}`, `{ports: [{port: 80, protocol: TCP}]}`, false},
		"a Service port to another target": {`{ports: [{port: 80, protocol: TCP, targetPort: x}]}`, `{ports: [{port: 80, protocol: TCP, targetPort: publish}]}`, false},
		"arguments in another order":       {`{args: [b, a]}`, `{args: [a, b]}`, false},
		"an argument more":                 {`{args: [a, b]}`, `{args: [a]}`, false},
		"a label more in a selector":       {`{selector: {a: "1", b: "2"}}`, `{selector: {a: "1"}}`, false},
		"a label more to pick nodes by":    {`{spec: {nodeSelector: {a: "1", b: "2"}}}`, `{spec: {nodeSelector: {a: "1"}}}`, false},
		"the same selector":                {`{selector: {matchLabels: {a: "1"}}}`, `{selector: {matchLabels: {a: "1"}, matchExpressions: []}}`, true},
		"another owner as well":            {`{ownerReferences: [{uid: "2"}, {uid: "1", controller: true}]}`, `{ownerReferences: [{uid: "1", controller: true}]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			path, found := difference(object(g, c.actual), object(g, c.desired))
			g.Expect(found).NotTo(Equal(c.want))
			g.Expect(path != "").To(Equal(found), "it names what is different")
		})
	}
}

func TestDifferenceNamesAField(t *testing.T) {
	for path, c := range map[string]struct{ actual, desired string }{
		".a":                     {`{a: 1}`, `{a: 2}`},
		".spec.replicas":         {`{spec: {}}`, `{spec: {replicas: 1}}`},
		".containers[1].image":   {`{containers: [{name: b, image: x}, {name: a}]}`, `{containers: [{name: a}, {name: b, image: y}]}`},
		".containers[0].args[1]": {`{containers: [{name: a, args: [b, c]}]}`, `{containers: [{name: a, args: [b, d]}]}`},
		".containers[0].args":    {`{containers: [{name: a, args: [b]}]}`, `{containers: [{name: a, args: [b, d]}]}`},
		".selector.b":            {`{selector: {a: x, b: y}}`, `{selector: {a: x}}`},
		".ports[0]":              {`{ports: []}`, `{ports: [{port: 80}]}`},
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			got, found := difference(object(g, c.actual), object(g, c.desired))
			g.Expect(found).To(BeTrue())
			g.Expect(got).To(HavePrefix(path))
		})
	}
}

func object(g Gomega, text string) map[string]any {
	b, err := yaml.YAMLToJSON([]byte(text))
	g.Expect(err).NotTo(HaveOccurred())
	o := map[string]any{}
	g.Expect(json.Unmarshal(b, &o)).To(Succeed())
	return o
}
