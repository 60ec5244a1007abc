package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/config/crd"
)

// refusal is a spec that breaks one rule, and one beside it that does not.
type refusal struct {
	// rule as rulesOf names it.
	rule string
	// accepted and refused are YAML that is laid over a valid object.
	accepted, refused string
	// says is what the refusal must say: for a rule in CEL its message.
	says string
}

// valid is the smallest object that is accepted.
const valid = `
apiVersion: runnel.dev/v1alpha1
kind: EventStream
metadata: {name: shop, namespace: default}
spec: {topics: [{name: orders}], auth: {subscribers: {anonymous: {}}}}`

var _ = Describe("The EventStream's definition", func() {
	var reader *manifest.Reader

	BeforeEach(func() {
		var err error
		reader, err = manifest.NewReader(crd.EventStreams)
		Expect(err).NotTo(HaveOccurred())
	})

	It("has no rule that is not tried here", func() {
		tried := map[string]bool{}
		for _, r := range refusals() {
			tried[r.rule] = true
		}
		Expect(sortedKeys(tried)).To(ConsistOf(rulesOf("", schema())))
	})

	It("says in each rule of its own what to write", func() {
		for _, r := range rulesOf("", schema()) {
			if _, message, ok := strings.Cut(r, " rule: "); ok {
				Expect(message).To(MatchRegexp(`\b(write|needs)\b`))
			}
		}
	})

	It("keeps each rule, with and without a cluster, in the same words", func(ctx SpecContext) {
		for _, r := range refusals() {
			By(r.rule)
			Expect(create(ctx, laidOver(r.accepted))).To(Succeed(), r.accepted)
			_, err := reader.Read("test", document(laidOver(r.accepted)))
			Expect(err).NotTo(HaveOccurred())

			err = create(ctx, laidOver(r.refused))
			Expect(err).To(MatchError(apierrors.IsInvalid, "IsInvalid"), r.refused)
			r.expectIn(err)
			_, local := reader.Read("test", document(laidOver(r.refused)))
			Expect(local).To(MatchError(sayingJust(messages(err))))
		}
	})

	DescribeTable("refuses what it does not know, when asked to be strict", func(ctx SpecContext, overlay, says string) {
		o := laidOver(overlay)
		err := create(ctx, o)
		Expect(err).To(MatchError(apierrors.IsBadRequest, "IsBadRequest"))
		Expect(err).To(MatchError(ContainSubstring(says)))
		_, local := reader.Read("test", document(laidOver(overlay)))
		Expect(local).To(MatchError(ContainSubstring(says)))
	},
		Entry("in the spec", `spec: {topic: orders}`, `unknown field "spec.topic"`),
		Entry("in a list", `spec: {topics: [{name: orders, retain: 1}]}`, `unknown field "spec.topics[0].retain"`),
		Entry("from a later version", `spec: {engine: {type: Memory, jetStream: {}}}`, `unknown field "spec.engine.jetStream"`),
		Entry("in the metadata", `metadata: {title: Shop}`, `unknown field "metadata.title"`),
	)
})

// create has the API server take an object as far as it can without keeping it.
func create(ctx context.Context, o *unstructured.Unstructured) error {
	return p.Client.Create(ctx, o, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// laidOver is the valid object with a YAML document merged over it; null removes a field.
func laidOver(overlay string) *unstructured.Unstructured {
	GinkgoHelper()
	o, over := &unstructured.Unstructured{}, map[string]any{}
	Expect(yaml.Unmarshal([]byte(valid), &o.Object)).To(Succeed())
	Expect(yaml.Unmarshal([]byte(overlay), &over)).To(Succeed())
	merge(o.Object, over)
	return o
}

func merge(into, over map[string]any) {
	for k, v := range over {
		below, isMap := v.(map[string]any)
		present, wasMap := into[k].(map[string]any)
		switch {
		case v == nil:
			delete(into, k)
		case isMap && wasMap:
			merge(present, below)
		default:
			into[k] = v
		}
	}
}

func document(o *unstructured.Unstructured) []byte {
	GinkgoHelper()
	text, err := yaml.Marshal(o.Object)
	Expect(err).NotTo(HaveOccurred())
	return text
}

// expectIn fails unless a refusal is for this rule, at its place, in its words.
func (r refusal) expectIn(err error) {
	GinkgoHelper()
	path, rule, _ := strings.Cut(r.rule, " ")
	says := r.says
	if message, ok := strings.CutPrefix(rule, "rule: "); ok {
		says = message
	}
	if name, ok := strings.CutPrefix(rule, "requires "); ok {
		path, says = path+"."+name, "Required value"
	}
	Expect(says).NotTo(BeEmpty())
	var found []string
	for _, c := range causes(err) {
		field := c.Field
		if field == "<nil>" { // the object itself, or what an int32 cannot hold, where the message has the field
			_, field, _ = strings.Cut(c.Message, "format int32 in ")
		}
		if strings.Contains(c.Message, says) && (located(path, field) || rule == "unique" && located(path+"[]", field)) {
			return
		}
		found = append(found, c.Field+": "+c.Message)
	}
	Fail(fmt.Sprintf("no cause at %q says %q, but %q", path, says, found))
}

func causes(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	return status.Status().Details.Causes
}

// fieldless begins what is said of no field.
var fieldless = regexp.MustCompile(`^Invalid value: (null: |"[^"]*": |[0-9]+: )?`)

// goNames are words of Go in the API server's messages, with those that the CLI has in their place.
var goNames = strings.NewReplacer(`"float64"`, `"number"`, `"int64"`, `"integer"`, "of type int32", "of type integer", "of type int64", "of type integer",
	" with format int32", "", " with format int64", "")

// messages are what a refusal says, each with its field, in the CLI's words: those of the API server without what is Go's.
func messages(err error) []string {
	var out []string
	for _, c := range causes(err) {
		message := c.Field + ": " + c.Message
		if c.Field == "" || c.Field == "<nil>" { // of no field, so that its value says nothing
			message = fieldless.ReplaceAllString(c.Message, "")
		}
		out = append(out, goNames.Replace(message))
	}
	return out
}

// sayingJust matches an error's text that holds these messages and no other, laid out as kubectl does.
func sayingJust(want []string) types.GomegaMatcher {
	return WithTransform(func(text string) []string {
		_, list, _ := strings.Cut(text, " is invalid: ")
		var got []string
		for m := range strings.SplitSeq(strings.TrimPrefix(list, "\n* "), "\n* ") {
			got = append(got, m)
		}
		return got
	}, ConsistOf(want))
}
