package v1alpha1

import (
	"fmt"
	"regexp"
	"time"
)

// Duration is a length of time in the form of GEP-2257: up to four whole numbers of at most five digits, each with a unit of
// h, m, s or ms, such as 500ms, 15s or 1h30m. Empty is unset. The bounds of each field are in its rule, which also keeps out
// what Parse does not read.
//
// +kubebuilder:validation:MaxLength=32
type Duration string

// form is GEP-2257's.
var form = regexp.MustCompile(`^([0-9]{1,5}(h|m|s|ms)){1,4}$`)

// Parse returns the length of time, or fallback when d is empty. It fails when d is not of the form of GEP-2257.
func (d Duration) Parse(fallback time.Duration) (time.Duration, error) {
	if d == "" {
		return fallback, nil
	}
	if !form.MatchString(string(d)) {
		return 0, fmt.Errorf("%.40q is not a duration: write whole numbers with the units h, m, s and ms, such as 15s or 1h30m", d)
	}
	return time.ParseDuration(string(d))
}
