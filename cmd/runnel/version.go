package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/hub/process"
)

// version is set by the linker. Without it, the version of the module that was built counts.
var version string

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the API that is understood, and the Go release",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "runnel %s (%s, %s)\n", process.Version(version), v1alpha1.GroupVersion, runtime.Version())
			return err
		},
	}
}
