package platform

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ApplyFile applies a manifest of the repository, by its path there, as its author would: by kubectl, or by the client library
// where kubectl is missing. It returns the command, or what stood in for it.
func (p *Platform) ApplyFile(ctx context.Context, file string) (string, error) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		f, err := os.Open(filepath.Join(Root(), file))
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }() // it was only read
		return "apply " + file + " (by the client library: kubectl is not installed)", p.Apply(ctx, f)
	}
	return "kubectl apply -f " + file, p.kubectl(ctx, kubectl, "apply", "-f", file)
}

// kubectl runs kubectl against the platform, in the repository's directory.
func (p *Platform) kubectl(ctx context.Context, program string, args ...string) error {
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = Root()
	c.Env = append(os.Environ(), "KUBECONFIG="+p.Kubeconfig)
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return err
}
