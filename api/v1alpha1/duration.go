package v1alpha1

import (
	"time"
)

// Duration is a length of time written as in Go: 500ms, 15s, 1h30m. Empty is unset. The bounds of each field are in its
// rule, which also keeps out what Parse cannot read.
//
// +kubebuilder:validation:MaxLength=32
type Duration string

// Parse returns the length of time, or fallback when d is empty. It fails on what time.ParseDuration does not read.
func (d Duration) Parse(fallback time.Duration) (time.Duration, error) {
	if d == "" {
		return fallback, nil
	}
	return time.ParseDuration(string(d))
}
