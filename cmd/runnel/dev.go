package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/runnel-dev/runnel/cmd/loglevel"
	"github.com/runnel-dev/runnel/cmd/runnel/dev"
	"github.com/runnel-dev/runnel/hub/config"
)

func newDevCommand() *cobra.Command {
	o := dev.Options{}
	level := loglevel.Level(slog.LevelError)
	var filenames []string
	c := &cobra.Command{
		Use:   "dev -f FILE",
		Short: "Run an EventStream on this machine, without a cluster",
		Long: "Run an EventStream on this machine, without a cluster: the same manifest makes the same hub, in this process.\n" +
			"Changes of the file are taken up without losing a connection. Ctrl-C drains it, a second one ends it at once.",
		Example: "  runnel dev -f config/samples/eventstream.yaml --insecure-publish",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%s takes no argument %q: name the file by -f %s", c.CommandPath(), args[0], args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if o.Filename, err = followable(filenames); err != nil {
				return err
			}
			for _, a := range []struct{ flag, address string }{
				{"--subscribe-addr", o.SubscribeAddr}, {"--publish-addr", o.PublishAddr}, {"--admin-addr", o.AdminAddr},
			} {
				if _, _, err := net.SplitHostPort(a.address); err != nil {
					return fmt.Errorf("%s: %q is no address: write host:port, such as 127.0.0.1:8080, or port 0 to have one picked", a.flag, a.address)
				}
			}
			o.Out = c.OutOrStdout()
			o.Logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: &level}))
			return within(c.Context(), dev.DrainLimit, func(ctx context.Context) error { return dev.Run(ctx, o) })
		},
	}
	c.Flags().StringArrayVarP(&filenames, "filename", "f", nil, "file with an EventStream, YAML or JSON, and the Secrets and ConfigMaps that it refers to")
	c.Flags().StringVar(&o.SubscribeAddr, "subscribe-addr", local(config.PortSubscribe), "address for readers; port 0 picks one")
	c.Flags().StringVar(&o.PublishAddr, "publish-addr", local(config.PortPublish), "address for publishers; port 0 picks one")
	c.Flags().StringVar(&o.AdminAddr, "admin-addr", local(config.PortAdmin), "address for probes, metrics and status; port 0 picks one")
	c.Flags().StringVar(&o.References, "references", "", "directory with the Secrets and ConfigMaps that the manifest refers to, as files secrets/NAME/KEY and configmaps/NAME/KEY; changes are taken up")
	c.Flags().BoolVar(&o.InsecurePublish, "insecure-publish", false, "let everybody publish, in place of the ServiceAccount tokens that only a cluster can give")
	c.Flags().Var(&level, "log-level", "the least level of the hub's log that is printed to standard error: debug, info, warn or error")
	return c
}

// followable returns the one file that is named, if changes of it can be followed.
func followable(filenames []string) (string, error) {
	switch {
	case len(filenames) == 0:
		return "", errNoFile
	case len(filenames) > 1:
		return "", fmt.Errorf("%d files are named, and one is served: write the EventStream and what it refers to into one, parted by ---", len(filenames))
	case filenames[0] == standardInput:
		return "", errors.New("standard input cannot be read again when it changes: write -f eventstream.yaml")
	}
	if info, err := os.Stat(filenames[0]); err == nil && info.IsDir() {
		return "", fmt.Errorf("%s is a directory, and one file is served: write -f %s", filenames[0], filepath.Join(filenames[0], "eventstream.yaml"))
	}
	return filenames[0], nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// within runs until ctx is done, and then for at most the limit longer. What has not ended by then is ended by the process, so
// only main may go on from here: a client that is stuck must not keep a terminal.
func within(ctx context.Context, limit time.Duration, run func(context.Context) error) error {
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		return nil
	}
}
