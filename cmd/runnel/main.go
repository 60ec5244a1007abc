// Command runnel works with EventStreams from a terminal. Under the name kubectl-runnel it is a plugin of kubectl.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runnel-dev/runnel/cmd/interrupt"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run executes the command line. The first SIGINT or SIGTERM ends the command's context, a second one the process.
func run() error {
	ctx, stop := interrupt.Context()
	defer stop()
	return newCommand(os.Args[0]).ExecuteContext(ctx)
}

// newCommand returns the root command. Its usage is that of kubectl's plugin when the program's file has such a name.
func newCommand(program string) *cobra.Command {
	display := "runnel"
	if strings.HasPrefix(filepath.Base(program), "kubectl-") {
		display = "kubectl runnel"
	}
	c := &cobra.Command{
		Use:           "runnel",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: display},
		Short:         "Server-Sent Events as a Kubernetes resource",
		SilenceUsage:  true, // an error says what to write; the whole usage would hide it
		SilenceErrors: true, // main prints it
	}
	c.AddCommand(newDevCommand(), newValidateCommand(), newVersionCommand())
	return c
}

// errNoFile is the error of a command that cannot do without a file.
var errNoFile = errors.New("no file is named: write -f eventstream.yaml")
