package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the API that is understood, and the Go release",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			version, golang := "unknown", "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				version, golang = info.Main.Version, info.GoVersion
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "runnel %s (%s, %s)\n", version, v1alpha1.GroupVersion, golang)
			return err
		},
	}
}
