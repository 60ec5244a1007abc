package apply

import (
	"fmt"
	"reflect"
)

// difference returns the path of one of the values that the desired value says and the actual one does not have, such as
// .spec.replicas; found is false if there is none. What somebody else added is fine: other keys of a map, other items of a list that is
// merged by key.
//
// A selector that says more than it should selects less, or nothing; the API server replaces it as a whole, so here nothing may be
// added to one.
//
// Both are made of map[string]any, []any, string, int64, float64, bool and nil. An empty map or list is also contained in
// nothing, since the API server does not keep those; false and 0 are not, since there the default may be another.
func difference(actual, desired any) (path string, found bool) {
	switch d := desired.(type) {
	case map[string]any:
		a, ok := actual.(map[string]any)
		if !ok {
			return "", actual != nil || len(d) > 0
		}
		for field, value := range d {
			if path, found := fieldDifference(field, a[field], value); found {
				return "." + field + path, true
			}
		}
		return "", false
	case []any: // a list inside a list
		return listDifference("", actual, d)
	default:
		return "", !reflect.DeepEqual(actual, desired)
	}
}

func fieldDifference(field string, actual, desired any) (path string, found bool) {
	if list, isList := desired.([]any); isList {
		return listDifference(field, actual, list)
	}
	if path, found := difference(actual, desired); found {
		return path, true
	}
	if replacedWhole(field) && actual != nil {
		return difference(desired, actual)
	}
	return "", false
}

// listDifference compares the list of a field. A list that the API server merges by key may have further items and another
// order; any other list is replaced as a whole, so it must have the same items in the same order.
func listDifference(field string, actual any, desired []any) (path string, found bool) {
	a, ok := actual.([]any)
	if !ok {
		return "", actual != nil || len(desired) > 0
	}
	keys := mergeKeys(field)
	if keys == nil && len(a) != len(desired) {
		return "", true
	}
	for i, item := range desired {
		var other any
		if keys == nil {
			other = a[i]
		} else {
			other = find(a, item, keys)
		}
		if path, found := difference(other, item); found {
			return fmt.Sprintf("[%d]%s", i, path), true
		}
	}
	return "", false
}

// find returns the item of the list that has the wanted item's keys, else nil.
func find(list []any, wanted any, keys []string) any {
	w, ok := wanted.(map[string]any)
	if !ok {
		return nil
	}
	for _, item := range list {
		i, ok := item.(map[string]any)
		if ok && sameKeys(i, w, keys) {
			return i
		}
	}
	return nil
}

func sameKeys(a, b map[string]any, keys []string) bool {
	for _, key := range keys {
		if !reflect.DeepEqual(a[key], b[key]) {
			return false
		}
	}
	return true
}

// replacedWhole says whether a map of this name, which children have, is one that the API server does not merge. None of them has
// values by default.
func replacedWhole(field string) bool {
	switch field {
	case "selector", "nodeSelector", "labelSelector", "namespaceSelector":
		return true
	default:
		return false
	}
}

// mergeKeys returns the keys by which the API server merges the list of a field that children have; nil if it replaces
// the list. A port has "port" in a Service and "containerPort" in a container; the other is absent from both sides.
func mergeKeys(field string) []string {
	switch field {
	case "containers", "initContainers", "volumes", "env", "imagePullSecrets":
		return []string{"name"}
	case "ports":
		return []string{"port", "containerPort", "protocol"}
	case "volumeMounts":
		return []string{"mountPath"}
	case "topologySpreadConstraints":
		return []string{"topologyKey", "whenUnsatisfiable"}
	case "ownerReferences":
		return []string{"uid"}
	default:
		return nil
	}
}
