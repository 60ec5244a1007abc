package render

import (
	"fmt"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// unknownProblems returns what a newer CRD lets a spec say and this operator does not know. To act as if it were not there would
// silently do something else than the spec says. A union whose only member is unknown arrives here empty; Config refuses those of
// auth, since no member of them is set.
func unknownProblems(spec *v1alpha1.EventStreamSpec) []string {
	var problems []string
	if e := spec.Engine; e != nil && e.Type != v1alpha1.EngineMemory {
		problems = append(problems, unknown("engine.type", string(e.Type), string(v1alpha1.EngineMemory)))
	}
	switch spec.ImagePolicy {
	case "", v1alpha1.ImagePinned, v1alpha1.ImageFollowOperator:
	default:
		problems = append(problems, unknown("imagePolicy", string(spec.ImagePolicy), fmt.Sprintf("%s or %s", v1alpha1.ImagePinned, v1alpha1.ImageFollowOperator)))
	}
	if spec.TLS != nil && spec.TLS.SecretName == "" {
		problems = append(problems, "tls: this operator knows only secretName: write it, or upgrade the operator")
	}
	return problems
}

func unknown(path, value, known string) string {
	return fmt.Sprintf("%s: this operator does not know %q: write %s, or upgrade the operator", path, value, known)
}
