package controllers

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// maxDifferences is how many fields are named: enough to see why, and few enough for an event.
const maxDifferences = 5

// templateDifferences returns the paths of fields in which two pod templates differ, in order and not more than a few.
func templateDifferences(a, b corev1.PodTemplateSpec) []string {
	before, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&a)
	if err != nil {
		return []string{err.Error()}
	}
	after, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&b)
	if err != nil {
		return []string{err.Error()}
	}
	found := compare(nil, "", before, after)
	if len(found) > maxDifferences {
		found = append(found[:maxDifferences], fmt.Sprintf("and %d more", len(found)-maxDifferences))
	}
	return found
}

func compare(found []string, path string, a, b any) []string {
	if reflect.DeepEqual(a, b) {
		return found
	}
	before, isMap := a.(map[string]any)
	after, areMaps := b.(map[string]any)
	if isMap && areMaps {
		fields := maps.Clone(before)
		maps.Copy(fields, after)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			at := field
			if path != "" {
				at = path + "." + field
			}
			found = compare(found, at, before[field], after[field])
		}
		return found
	}
	was, isList := a.([]any)
	is, areLists := b.([]any)
	if isList && areLists && len(was) == len(is) {
		for i := range was {
			found = compare(found, fmt.Sprintf("%s[%d]", path, i), was[i], is[i])
		}
		return found
	}
	return append(found, path)
}
