// Package controllers reconciles EventStreams: guards, then resolve and render, apply, observe, status. Each phase has its own
// file or package; what is decided is decided by pure functions, of render for the children and of status.go for the
// conditions.
package controllers
