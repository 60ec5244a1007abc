package platform

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Programs is the directory with operator and hub for tests: that of RUNNEL_BIN, else bin/test, which test/run fills and where what
// is missing is built.
func Programs(ctx context.Context) (string, error) {
	if dir := os.Getenv("RUNNEL_BIN"); dir != "" {
		return dir, nil
	}
	dir := filepath.Join(Root(), "bin", "test")
	for _, program := range []string{"operator", "hub"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
			continue
		}
		build := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), "./cmd/"+program)
		build.Dir = Root()
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w: %s", program, err, out)
		}
	}
	return dir, nil
}
