//go:build race

package controllers

// The race detector takes eight times as long, and has little to find where all happens in turn: test/run runs these tests again in
// full without it.
const (
	stride = 37
	walks  = 1
)

func lags() []int { return []int{8} }
