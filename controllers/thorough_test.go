//go:build !race

package controllers

const (
	// stride is from one call or event that fails to the next: each does.
	stride = 1
	// walks of one run.
	walks = 4
)

// lags of the cache, in reads.
func lags() []int { return []int{1, 2, 3, 5, 8, 13, 21, 34, 55, 1000} }
