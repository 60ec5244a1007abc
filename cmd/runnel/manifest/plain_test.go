package manifest_test

import (
	"regexp"
	"strings"
	"testing"
)

// goWords are what Go and its libraries say of themselves.
var goWords = regexp.MustCompile(`Go (value|struct)|json: |interface|map\[|\[\][a-z]|strconv|<nil>|%!|float64|int64|int32|v1\.[A-Z]`)

// TestNoErrorNamesATypeOfGo has authors write one kind of YAML in the place of another.
func TestNoErrorNamesATypeOfGo(t *testing.T) {
	r := reader(t)
	meta := func(text string) string { return strings.Replace(spec(""), "{name: shop}", text, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"a list":                {"[a]\n", "write an object with apiVersion, kind and metadata: array stands where an object is expected"},
		"a list in JSON":        {`["a"]`, "array stands where an object is expected"},
		"a text":                {"hello\n", "string stands where an object is expected"},
		"a number":              {"7\n", "number stands where an object is expected"},
		"a list as a key":       {"a: b\n[a]: b\n", "line 2 has a key that is null, a list or an object: write a text"},
		"null as a key":         {"{~: b}\n", "line 1 has a key that is null, a list or an object: write a text"},
		"an item of a List":     {"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Service}, a]\n", "items[1] is not an object"},
		"metadata as a text":    {meta("shop"), "metadata cannot be read: string stands where an object is expected"},
		"metadata as a list":    {meta("[a]"), "metadata cannot be read: array stands where an object is expected"},
		"a name":                {meta("{name: 7}"), "metadata cannot be read: name: number stands where a string is expected"},
		"labels":                {meta("{name: shop, labels: [a]}"), "metadata cannot be read: labels: array stands where an object is expected"},
		"a label":               {meta("{name: shop, labels: {a: 1}}"), "metadata cannot be read: labels: number stands where a string is expected"},
		"owners":                {meta("{name: shop, ownerReferences: [a]}"), "metadata cannot be read: ownerReferences: string stands where an object is expected"},
		"a generation":          {meta("{name: shop, generation: x}"), "metadata cannot be read: generation: string stands where a whole number is expected"},
		"a time":                {meta("{name: shop, creationTimestamp: x}"), "metadata cannot be read: "},
		"a fraction":            {spec("  retention: {events: 1.5}\n"), "spec.retention.events in body must be of type integer"},
		"a number without end":  {spec("  retention: {events: 99999999999999999999}\n"), "spec.retention.events"},
		"a boolean":             {spec("  retention: {bytes: true}\n"), "spec.retention.bytes in body must be of type integer"},
		"a spec":                {head + "spec: hello\n", "spec in body must be of type object"},
		"a topic":               {topics("[7]"), "spec.topics[0] in body must be of type object"},
		"an issuer of nothing":  {head + "spec: {topics: [{name: a}], auth: {subscribers: {jwt: {issuers: [7]}}}}\n", "issuers[0] in body must be of type object"},
		"rules not checked yet": {spec("  suspend: x\n"), "\n* some validation rules were not checked"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Read("f.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("it is taken")
			}
			if said := goWords.FindString(err.Error()); said != "" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q in %v, want %s", said, err, c.want)
			}
		})
	}
}
