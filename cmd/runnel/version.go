package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

// version is set by the linker. Without, the version of the module that was built counts.
var version string

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the API that is understood, and the Go release",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			built := version
			if info, ok := debug.ReadBuildInfo(); ok && built == "" {
				built = info.Main.Version
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "runnel %s (%s, %s)\n", built, v1alpha1.GroupVersion, runtime.Version())
			return err
		},
	}
}
