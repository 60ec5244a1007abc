package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"

	"go.uber.org/zap/zapcore"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

const (
	// hubImageVariable is the environment's --hub-image.
	hubImageVariable = "RUNNEL_HUB_IMAGE"
	// hostVariable is the host of listen addresses that have none. Where several pods share a host's network, each listens on
	// an address of its own.
	hostVariable = "RUNNEL_LISTEN_HOST"
)

// defaultConcurrent streams at a time are enough for 150 changes a second, each with three reconciliations that wait for the API
// server 50 ms in all: 22, and some more for the uneven. Who waits takes no CPU.
const defaultConcurrent = 32

// options are the operator's flags.
type options struct {
	hubImage        string
	clusterDomain   string
	namespaces      []string
	concurrent      int
	imagePolicy     v1alpha1.ImagePolicy
	upgrades        int
	leaderElect     bool
	leaseNamespace  string
	metricsAddress  string
	metricsInsecure bool
	streamMetrics   bool
	probeAddress    string
	pprofAddress    string
	zap             zap.Options
}

// parse reads the flags; getenv reads the environment. Usage and what is wrong go to out.
func parse(args []string, getenv func(string) string, out io.Writer) (*options, error) {
	o := &options{zap: zap.Options{TimeEncoder: zapcore.RFC3339NanoTimeEncoder}}
	f := flag.NewFlagSet("operator", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&o.hubImage, "hub-image", getenv(hubImageVariable), "image of new hubs, and of those that follow it by their upgrade policy. Required, here or as "+hubImageVariable)
	f.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "domain of the cluster's Services")
	f.Func("namespaces", "comma-separated namespaces to work in; all of them if not set", func(s string) error {
		for n := range strings.SplitSeq(s, ",") {
			if n = strings.TrimSpace(n); n != "" {
				o.namespaces = append(o.namespaces, n)
			}
		}
		return nil
	})
	f.IntVar(&o.concurrent, "concurrent", defaultConcurrent, "streams that are worked on at a time")
	f.StringVar((*string)(&o.imagePolicy), "image-policy", string(v1alpha1.ImagePinned), "when streams that do not say get another --hub-image: FollowOperator, or Pinned, which is never")
	f.IntVar(&o.upgrades, "max-concurrent-upgrades", 5, "streams that roll to another --hub-image at a time")
	f.BoolVar(&o.leaderElect, "leader-elect", false, "work only while holding the lease, so that several operators can stand by")
	f.StringVar(&o.leaseNamespace, "leader-election-namespace", "", "namespace of the lease; the operator's own if not set")
	f.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "address of the metrics, by HTTPS and for those only whom the cluster lets get /metrics; 0 turns them off")
	f.BoolVar(&o.metricsInsecure, "metrics-insecure", false, "serve the metrics by plain HTTP to everybody")
	f.BoolVar(&o.streamMetrics, "stream-metrics", true, "serve the metric runnel_operator_stream_condition, some 15 series for each stream; for thousands of streams, false spares Prometheus those")
	f.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	f.StringVar(&o.pprofAddress, "pprof-bind-address", "0", "address of the profiles of net/http/pprof, by plain HTTP to everybody, such as 127.0.0.1:6060; 0 turns them off")
	clientconfig.RegisterFlags(f)
	o.zap.BindFlags(f)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	host := getenv(hostVariable)
	o.metricsAddress, o.probeAddress = withHost(o.metricsAddress, host), withHost(o.probeAddress, host)
	o.clusterDomain = strings.Trim(o.clusterDomain, ".")
	return o, o.check(f.Args())
}

// check says all that is wrong.
func (o *options) check(rest []string) error {
	var errs []error
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("%q is no flag: flags begin with --", rest[0]))
	}
	if o.hubImage == "" {
		errs = append(errs, errors.New("--hub-image: write the image of the hubs, such as runnel:0.1.0, or set "+hubImageVariable))
	}
	if o.clusterDomain == "" {
		errs = append(errs, errors.New("--cluster-domain: write the domain of the cluster's Services, such as cluster.local"))
	}
	if o.concurrent < 1 {
		errs = append(errs, fmt.Errorf("--concurrent: %d is less than 1", o.concurrent))
	}
	if o.imagePolicy != v1alpha1.ImagePinned && o.imagePolicy != v1alpha1.ImageFollowOperator {
		errs = append(errs, fmt.Errorf("--image-policy: %q is none: write %s or %s", o.imagePolicy, v1alpha1.ImageFollowOperator, v1alpha1.ImagePinned))
	}
	if o.upgrades < 1 {
		errs = append(errs, fmt.Errorf("--max-concurrent-upgrades: %d is less than 1: to roll none, write --image-policy=%s", o.upgrades, v1alpha1.ImagePinned))
	}
	return errors.Join(errs...)
}

// withHost gives an address such as ":8443" the host.
func withHost(address, host string) string {
	h, port, err := net.SplitHostPort(address)
	if err != nil || h != "" || host == "" {
		return address
	}
	return net.JoinHostPort(host, port)
}
