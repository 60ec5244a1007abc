//go:build !race

package controllers

// stride is from one call that fails to the next: each does.
const stride = 1
