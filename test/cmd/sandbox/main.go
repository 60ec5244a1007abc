// Sandbox runs a small Kubernetes of one process until it is interrupted: an API server for kubectl, and a node that
// runs pods as local processes.
//
//	sandbox -image registry.example/app=./bin -install config/default -apply config/samples/eventstream.yaml
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/runnel-dev/runnel/test/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

type settings struct {
	options          sandbox.Options
	install, applied []string
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{options: sandbox.Options{Images: map[string]sandbox.Image{}}}
	f := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.options.Dir, "dir", "", "`directory` for its files (default: a new one that is removed at the end)")
	f.StringVar(&s.options.Address, "address", "", "`address` of the API server in 127.0.0.0/8 (default: a free port of 127.0.0.1)")
	f.Func("image", "`name=directory`: the directory holds the image's programs, so that /app is its file app; repeatable", func(v string) error {
		name, dir, ok := strings.Cut(v, "=")
		if !ok || name == "" || dir == "" {
			return errors.New("write name=directory")
		}
		dir, err := filepath.Abs(dir)
		s.options.Images[name] = sandbox.Image{Root: dir}
		return err
	})
	f.Func("install", "kustomize `directory` to apply; repeatable", func(v string) error { s.install = append(s.install, v); return nil })
	f.Func("apply", "YAML `file` to apply after what is installed; repeatable", func(v string) error { s.applied = append(s.applied, v); return nil })
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: it takes only flags, see -help", f.Arg(0))
	}
	return s, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	set, err := parse(args, stderr)
	if err != nil {
		return err
	}
	began := time.Now()
	box, err := sandbox.Start(ctx, set.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Stop()) }()
	for _, dir := range set.install {
		if err := box.Install(ctx, dir); err != nil {
			return err
		}
	}
	for _, file := range set.applied {
		if err := apply(ctx, box, file); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "# ready after %s; interrupt to end it\nexport KUBECONFIG=%s\n", time.Since(began).Round(time.Millisecond), box.Kubeconfig)
	return serviceURLs(ctx, box, stdout)
}

func apply(ctx context.Context, box *sandbox.Sandbox, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := box.Apply(ctx, f); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// serviceURLs prints where each Service is reached, as it comes, until ctx is done: their names do not resolve here.
func serviceURLs(ctx context.Context, box *sandbox.Sandbox, out io.Writer) error {
	client, err := kubernetes.NewForConfig(box.Config)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		w, err := client.CoreV1().Services(metav1.NamespaceAll).Watch(ctx, metav1.ListOptions{})
		if err != nil {
			return ended(ctx, err)
		}
		for e := range w.ResultChan() {
			if s, ok := e.Object.(*corev1.Service); ok && e.Type == "ADDED" && s.Namespace != metav1.NamespaceDefault {
				printService(box, s, out)
			}
		}
		w.Stop()
	}
	return nil
}

func printService(box *sandbox.Sandbox, s *corev1.Service, out io.Writer) {
	if s.Spec.ClusterIP == corev1.ClusterIPNone {
		return
	}
	ports := slices.SortedFunc(slices.Values(s.Spec.Ports), func(a, b corev1.ServicePort) int { return cmp.Compare(a.Port, b.Port) })
	for _, p := range ports {
		if url, err := box.Node.URLOf(s, p.Name); err == nil {
			fmt.Fprintf(out, "# service %s/%s %s is at %s\n", s.Namespace, s.Name, p.Name, url)
		}
	}
}

// ended hides what an interrupt makes of a call.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
