package manifest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// title is how kubectl begins to speak of an object.
func title(name string) string { return fmt.Sprintf("The %s %q", kind, name) }

// refusal is how an API server begins to say that it cannot decode an object.
func refusal() string {
	return fmt.Sprintf("%s in version %q cannot be handled as a %s", kind, v1alpha1.GroupVersion.Version, kind)
}

// strict is the error of strict decoding: the API server's sentence, then for each unknown field a line with those that there
// are. It is nil when there is nothing to say.
func strict(doubled []error, unknown []string, s *schema.Structural) error {
	var problems, hints []string
	for _, err := range doubled {
		problems = append(problems, err.Error())
	}
	for _, path := range unknown {
		problems = append(problems, fmt.Sprintf("unknown field %q", path))
		parent, known := siblings(path, s)
		if len(known) > 0 {
			hints = append(hints, fmt.Sprintf("\n  %s has the fields %s", parent, strings.Join(known, ", ")))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(hints)
	return fmt.Errorf("%s: strict decoding error: %s%s", refusal(), strings.Join(problems, ", "), strings.Join(slices.Compact(hints), ""))
}

// siblings returns the path of the object in which an unknown field was found, such as spec.topics[0], and the fields that
// the schema has there; none when the schema does not list them.
func siblings(path string, s *schema.Structural) (string, []string) {
	parts := strings.Split(path, ".")
	parts = parts[:len(parts)-1]
	for _, p := range parts {
		name, _, indexed := strings.Cut(p, "[")
		next, ok := s.Properties[name]
		if !ok {
			return "", nil
		}
		s = &next
		if indexed && s.Items != nil {
			s = s.Items
		}
	}
	if len(parts) == 0 {
		return "an " + kind, slices.Sorted(maps.Keys(s.Properties))
	}
	return strings.Join(parts, "."), slices.Sorted(maps.Keys(s.Properties))
}

// goNames are the names of Go's types that the API server has in its messages, with those that JSON has.
var goNames = strings.NewReplacer(`"float64"`, `"number"`, `"int64"`, `"integer"`, "of type int32", "of type integer", "of type int64", "of type integer",
	" with format int32", "", " with format int64", "")

// plain is an error of validation in the words of the API server, but for what is Go's own: an error of no field begins with <nil> there.
func plain(e *field.Error) string {
	if e.Field == "<nil>" {
		return goNames.Replace(e.Detail)
	}
	return goNames.Replace(e.Error())
}

// invalid lays out errors of validation as kubectl does: one on the same line, several as a list.
func invalid(name string, errs field.ErrorList) error {
	seen := sets.New[string]()
	var messages []string
	for _, e := range errs {
		if m := plain(e); !seen.Has(m) { // two checks may find the same
			seen.Insert(m)
			messages = append(messages, m)
		}
	}
	head := title(name) + " is invalid: "
	if len(messages) == 1 {
		return errors.New(head + messages[0])
	}
	return errors.New(head + "\n* " + strings.Join(messages, "\n* "))
}
