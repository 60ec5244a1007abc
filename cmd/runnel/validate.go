package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/config/crd"
)

func newValidateCommand() *cobra.Command {
	var filenames []string
	var recursive bool
	c := &cobra.Command{
		Use:   "validate -f FILE...",
		Short: "Check EventStreams as the API server and the operator do",
		Long: "Check EventStreams as the API server and the operator do, without a cluster: the fields, the rules and their\n" +
			"messages are those of the CustomResourceDefinition that this program is built with.\n\n" +
			"FILE is a file with any number of objects, a directory, a pattern, or - for standard input. All that are named are\n" +
			"checked, and every EventStream in them.",
		Example: "  runnel validate -f config/samples/eventstream.yaml\n" +
			"  runnel validate -f streams/ -f 'team-*/stream.yaml'\n" +
			"  kubectl kustomize overlays/test | runnel validate -f -",
		RunE: func(c *cobra.Command, args []string) error {
			names := slices.Concat(filenames, args) // arguments come of a pattern that the shell has expanded
			if len(names) == 0 {
				return errNoFile
			}
			return validate(c, names, recursive)
		},
	}
	c.Flags().StringSliceVarP(&filenames, "filename", "f", nil, "file with EventStreams, YAML or JSON; a directory, a pattern, or - for standard input; may be given several times")
	c.Flags().BoolVarP(&recursive, "recursive", "R", false, "also read what is below directories")
	return c
}

// validate prints what it has found wrong in all of the files that the names stand for, and not only in the first.
func validate(c *cobra.Command, names []string, recursive bool) error {
	reader, err := manifest.NewReader(crd.EventStreams)
	if err != nil {
		return err
	}
	inputs, unread := readInputs(names, recursive, c.InOrStdin())
	refused, streams := []error{unread}, 0
	for _, i := range inputs {
		found, skipped, err := reader.Check(i.name, i.text)
		streams += found
		refused = append(refused, err)
		for _, s := range skipped {
			c.PrintErrf("%s: %s is not checked: only EventStreams are\n", i.name, s)
		}
	}
	if err := errors.Join(refused...); err != nil {
		return err
	}
	switch streams {
	case 0:
		return fmt.Errorf("there is no EventStream in %s: %s", strings.Join(names, ", "), manifest.WriteOne)
	case 1:
		_, err = fmt.Fprintln(c.OutOrStdout(), "OK")
	default:
		_, err = fmt.Fprintf(c.OutOrStdout(), "OK: %d EventStreams\n", streams)
	}
	return err
}
