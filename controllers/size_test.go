package controllers

import (
	"bytes"
	"os"
	"testing"

	. "github.com/onsi/gomega"
)

// TestTheReconcilerStaysSmall: whoever wants to know what happens to a stream reads one file. The linter bounds functions.
func TestTheReconcilerStaysSmall(t *testing.T) {
	g := NewWithT(t)
	b, err := os.ReadFile("reconciler.go")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Count(b, []byte("\n"))).To(BeNumerically("<=", 250), "move a phase into a file of its own")
}
