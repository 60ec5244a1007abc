// Sandbox runs the operator and its hubs in a small Kubernetes of one process, on this machine alone.
//
//	sandbox up --bin bin     keeps it up, with the operator and a sample stream
//	sandbox demo --bin bin   applies a stream, publishes and receives; exits 0 only if all of it happened
//
// Both take the manifests from the repository's config directory, and the programs from the directory of --bin.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/sandbox"
)

const usage = `usage: sandbox up|demo [flags]

  up     keep a cluster up with the operator and a sample stream, to try things by hand
  demo   apply a stream, publish, receive, cut and resume; about 10 s

flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	log.SetLogger(logr.Discard()) // the client library complains otherwise
	if len(args) > 0 && args[0] == publishCommand {
		return publish(ctx, args[1:], printer(stdout))
	}
	commands := map[string]func(context.Context, *setup, say) error{"up": up, "demo": demo}
	s := &setup{}
	f := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		printer(stderr)("%s", usage)
		f.PrintDefaults()
	}
	f.StringVar(&s.bin, "bin", filepath.Join(platform.Root(), "bin"), "`directory` with the programs hub and operator (make build)")
	f.StringVar(&s.address, "address", "", "`address` of the API server, in 127.0.0.0/8; a free port if not set")
	if len(args) == 0 {
		f.Usage()
		return errors.New("write up or demo")
	}
	command, ok := commands[args[0]]
	if args[0] == "-h" || args[0] == "--help" {
		f.Usage()
		return nil
	}
	if !ok {
		return fmt.Errorf("unknown command %q: write up or demo", args[0])
	}
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: only flags follow %s", f.Arg(0), args[0])
	}
	return command(ctx, s, printer(stdout))
}

// say prints like fmt.Printf. That nobody reads it any more is no error.
type say func(format string, args ...any)

func printer(w io.Writer) say {
	return func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
}

// setup is what the flags say.
type setup struct {
	bin, address string
}

// start starts a sandbox that has the programs as its images, this program among them for its publishers.
func (s *setup) start(ctx context.Context) (*platform.Platform, error) {
	bin, err := filepath.Abs(s.bin)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	publisher := sandbox.Image{Root: filepath.Dir(self), Entrypoint: []string{"/" + filepath.Base(self), publishCommand}}
	return platform.Start(ctx, platform.Options{
		Bin:     bin,
		Sandbox: sandbox.Options{Address: s.address, Images: map[string]sandbox.Image{publisherImage: publisher}},
	})
}
