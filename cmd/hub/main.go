// Command hub serves one EventStream. It is what a hub's pod runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"

	"github.com/runnel-dev/runnel/cmd/interrupt"
	"github.com/runnel-dev/runnel/cmd/loglevel"
	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/follow"
	"github.com/runnel-dev/runnel/hub/process"
	"github.com/runnel-dev/runnel/hub/reference"
)

// podVariable, uidVariable and nameserverVariable are the environment variables with the pod's address, with its UID, and with the name
// server that knows the addresses of the stream's other hubs as host:port; unset is the system's.
const (
	podVariable        = "RUNNEL_POD_IP"
	uidVariable        = "RUNNEL_POD_UID"
	nameserverVariable = "RUNNEL_NAMESERVER"
)

// hostVariable is the environment variable with the host that the ports listen on; unset is every address.
const hostVariable = "RUNNEL_LISTEN_HOST"

// version is set by the linker. Without it, the version of the module that was built counts.
var version string

func main() {
	ctx, stop := interrupt.Context()
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "hub:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode tells the operator, which sees nothing else of a hub that does not start, that the configuration is too new for it.
func exitCode(err error) int {
	var version *config.VersionError
	if errors.As(err, &version) && version.Got > float64(version.Newest) {
		return config.ExitVersion
	}
	return 1
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("hub", flag.ContinueOnError)
	path := flags.String("config", "", "`file` with the hub's configuration; changes of it are taken up")
	references := flags.String("references", config.ReferencesDir, "`directory` with what the configuration refers to; changes are taken up")
	subscribe := flags.String("subscribe-addr", port(config.PortSubscribe), "`address` for readers")
	publish := flags.String("publish-addr", port(config.PortPublish), "`address` for publishers")
	admin := flags.String("admin-addr", port(config.PortAdmin), "`address` for probes, metrics and status")
	token := flags.String("peer-token", "", "`file` with the token that the hub shows to the stream's other hubs; without one it hands nothing over")
	grace := flags.Duration("grace-period", 0, "`time` from SIGTERM to SIGKILL; a drain that is too long for it is shortened. 0 shortens none")
	portable := flags.Bool("portable", false, "serve every connection by net/http and a goroutine of its own, as on systems other than Linux")
	level := loglevel.Level(slog.LevelInfo)
	flags.Var(&level, "log-level", "the least `level` that is logged: debug, info, warn or error (default info)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *path == "" || flags.NArg() > 0 {
		return errors.New("write hub --config FILE")
	}
	text, err := os.ReadFile(*path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	c, err := config.Decode(text)
	if err != nil {
		return fmt.Errorf("%s: %w", *path, err)
	}
	follower := follow.New(*path, text)
	logger := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: &level}))
	logger.Info("the hub starts", "version", process.Version(version), "go", runtime.Version())
	limits := readLimits(logger)
	h, err := hub.New(hub.Options{
		Config: c, Version: process.Version(version), References: *references, Process: limits, SubscribeAddr: *subscribe, PublishAddr: *publish, AdminAddr: *admin, Logger: logger, Portable: *portable,
		PeerToken: *token, PodIP: os.Getenv(podVariable), PodUID: os.Getenv(uidVariable), GracePeriod: *grace, Nameserver: os.Getenv(nameserverVariable),
	})
	if err != nil {
		return errors.Join(err, follower.Close())
	}
	follower.Also(reference.In(*references).Directories, func() { _ = h.Refresh() }) // it notes and logs its own failure
	keepLimits(logger, limits, h)
	return serve(ctx, h, follower, func() { keepLimits(logger, limits, h) })
}

// serve runs the hub and follows its configuration, and what that refers to, until ctx is done and the hub is drained.
// It calls loaded after each configuration that is taken up.
func serve(ctx context.Context, h *hub.Hub, follower *follow.Follower, loaded func()) error {
	followed := make(chan error, 1)
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		followed <- follower.Run(following, func(text []byte) {
			c, err := config.Decode(text)
			if err != nil {
				h.Refuse(err)
				return
			}
			if h.Reload(c) == nil { // it notes its own failure
				loaded()
			}
		}, h.Refuse, h.Watched)
	}()
	err := h.Run(ctx)
	stop()
	return errors.Join(err, <-followed)
}

func port(n int) string { return net.JoinHostPort(os.Getenv(hostVariable), strconv.Itoa(n)) }
