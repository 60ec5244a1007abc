//go:build race

package controllers

// stride is from one call that fails to the next. The race detector takes six times as long, and has little to find where all
// happens in turn: test/run runs every call without it.
const stride = 11
