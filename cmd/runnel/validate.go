package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/config/crd"
)

func newValidateCommand() *cobra.Command {
	var filename string
	c := &cobra.Command{
		Use:   "validate -f FILE",
		Short: "Check an EventStream as the API server and the operator do",
		Long: "Check an EventStream as the API server and the operator do, without a cluster: the fields, the rules and their\n" +
			"messages are those of the CustomResourceDefinition that this program is built with.",
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := os.ReadFile(filename)
			if err != nil {
				return err
			}
			reader, err := manifest.NewReader(crd.EventStreams)
			if err != nil {
				return err
			}
			m, err := reader.Read(filename, text)
			if err != nil {
				return err
			}
			if _, err := m.Config(); err != nil {
				return err
			}
			for _, s := range m.Skipped {
				c.PrintErrf("%s is not checked: only EventStreams are\n", s)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "OK")
			return err
		},
	}
	filenameFlag(c, &filename)
	return c
}
