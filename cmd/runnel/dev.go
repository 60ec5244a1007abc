package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/runnel-dev/runnel/cmd/runnel/dev"
	"github.com/runnel-dev/runnel/hub/config"
)

func newDevCommand() *cobra.Command {
	o := dev.Options{}
	c := &cobra.Command{
		Use:   "dev -f FILE",
		Short: "Run an EventStream on this machine, without a cluster",
		Long: "Run an EventStream on this machine, without a cluster: the same manifest makes the same hub, in this process.\n" +
			"Changes of the file are taken up without losing a connection. Ctrl-C drains it, a second one ends it at once.",
		Example: "  runnel dev -f config/samples/eventstream.yaml --insecure-publish",
		RunE: func(c *cobra.Command, _ []string) error {
			for _, a := range []struct{ flag, address string }{
				{"--subscribe-addr", o.SubscribeAddr}, {"--publish-addr", o.PublishAddr}, {"--admin-addr", o.AdminAddr},
			} {
				if _, _, err := net.SplitHostPort(a.address); err != nil {
					return fmt.Errorf("%s: %q is no address: write host:port, such as 127.0.0.1:8080, or port 0 to have one picked", a.flag, a.address)
				}
			}
			o.Out = c.OutOrStdout()
			return within(c.Context(), dev.DrainLimit, func(ctx context.Context) error { return dev.Run(ctx, o) })
		},
	}
	filenameFlag(c, &o.Filename)
	c.Flags().StringVar(&o.SubscribeAddr, "subscribe-addr", local(config.PortSubscribe), "address for readers; port 0 picks one")
	c.Flags().StringVar(&o.PublishAddr, "publish-addr", local(config.PortPublish), "address for publishers; port 0 picks one")
	c.Flags().StringVar(&o.AdminAddr, "admin-addr", local(config.PortAdmin), "address for probes, metrics and status; port 0 picks one")
	c.Flags().StringVar(&o.References, "references", "", "directory with the Secrets and ConfigMaps that the manifest refers to, as files secrets/NAME/KEY and configmaps/NAME/KEY; changes are taken up")
	c.Flags().BoolVar(&o.InsecurePublish, "insecure-publish", false, "let everybody publish, in place of the ServiceAccount tokens that only a cluster can give")
	return c
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
