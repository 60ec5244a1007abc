package platform

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ApplyFile applies a manifest as its author would, by kubectl, or by the client library where kubectl is missing. It returns
// the command, or what stood in for it.
func (p *Platform) ApplyFile(ctx context.Context, file string) (string, error) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }() // it was only read
		return "apply " + file + " (by the client library: kubectl is not installed)", p.Apply(ctx, f)
	}
	_, err = p.Kubectl(ctx, kubectl, "apply", "-f", file)
	return "kubectl apply -f " + file, err
}

// Kubectl runs kubectl against the platform and returns what it printed.
func (p *Platform) Kubectl(ctx context.Context, kubectl string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, kubectl, args...)
	c.Env = append(os.Environ(), "KUBECONFIG="+p.Kubeconfig)
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}
