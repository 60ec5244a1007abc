// Command operator carries out EventStreams: it makes a hub of each, and says in its status how it does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	goruntime "runtime"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/issuer"
	"github.com/runnel-dev/runnel/hub/process"
)

const (
	// leaseName of the lease that one of several operators holds.
	leaseName = "runnel-operator"

	// reconcileTimeout ends a reconciliation that hangs on the API server; a healthy one takes milliseconds, and the slowest
	// waits a second for hubs.
	reconcileTimeout = time.Minute

	// standByPause is between two tries to stand by. The ports of the one before are free by then.
	standByPause = time.Second

	// syncedTimeout is how long a readiness probe waits to see that the cache is filled.
	syncedTimeout = 100 * time.Millisecond
)

// version is set by the linker. Without it, the version of the module that was built counts.
var version string

func main() {
	o, err := parse(os.Args[1:], os.Getenv, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	logger := zap.New(zap.UseFlagOptions(&o.zap))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	logger.Info("The operator starts", "version", process.Version(version), "go", goruntime.Version(), "hubImage", o.hubImage, "imagePolicy", o.imagePolicy, "namespaces", o.namespaces)
	if _, err := memlimit.Set(); err != nil { // to 9/10 of the container's, so that garbage is collected before the kernel ends the process
		logger.Info("The container's memory limit cannot be read", "error", err.Error())
	}
	metrics.Registry.MustRegister(process.BuildInfo("runnel_operator_build_info", process.Version(version)))
	if err := work(ctrl.SetupSignalHandler(), o); err != nil {
		logger.Error(err, "The operator ends")
		os.Exit(1)
	}
}

// work runs until the context ends. An operator that led and cannot renew its lease, as when the API server is gone for longer than
// 10 s, stands by again: its process goes on, so that nobody takes it for one that crashes. It ends with an error if it never led.
func work(ctx context.Context, o *options) error {
	led := false
	for {
		leads, err := run(ctx, o)
		led = led || leads
		if err == nil || !led || ctx.Err() != nil {
			return err
		}
		ctrl.Log.Error(err, "The operator stands by again")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(standByPause):
		}
	}
}

// run works until the context ends or the operator no longer leads. It says whether it led.
func run(ctx context.Context, o *options) (led bool, err error) {
	mgr, done, err := setup(ctx, o)
	if err != nil {
		return false, err
	}
	defer done()
	err = mgr.Start(ctx)
	select {
	case <-mgr.Elected():
		led = true
	default:
	}
	return led, err
}

// setup makes a manager. What it returns beside it is called when that has ended.
func setup(ctx context.Context, o *options) (mgr ctrl.Manager, done func(), err error) {
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("connection to the API server: %w", err)
	}
	// The API server's time is worth more than the network inside of a cluster, as with Kubernetes' own controllers.
	restConfig.DisableCompression = true
	managerOptions, err := o.manager()
	if err != nil {
		return nil, nil, err
	}
	mgr, err = ctrl.NewManager(restConfig, managerOptions)
	if err != nil {
		return nil, nil, fmt.Errorf("manager: %w", err)
	}
	cluster, err := issuer.NewCluster(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, nil, err
	}
	issuers := issuer.NewPoller(cluster)
	recorder, err := newRecorder(mgr)
	if err != nil {
		return nil, nil, err
	}
	reconciler := &controllers.Reconciler{
		Client:        mgr.GetClient(),
		Applier:       &apply.Applier{Client: mgr.GetClient(), Direct: mgr.GetAPIReader()},
		Issuers:       issuers,
		Hubs:          controllers.NewAdminPort(),
		Recorder:      recorder,
		Counters:      controllers.NewCounters(),
		HubImage:      o.hubImage,
		ClusterDomain: o.clusterDomain,

		ImagePolicy:        o.imagePolicy,
		ConcurrentUpgrades: o.upgrades,
	}
	done, err = o.measure(reconciler, mgr)
	err = errors.Join(err,
		mgr.Add(issuers),
		mgr.Add(recorder),
		reconciler.SetupWithManager(ctx, mgr, issuers.Changed(), o.concurrent),
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("cache", func(r *http.Request) error {
			ctx, cancel := context.WithTimeout(r.Context(), syncedTimeout)
			defer cancel()
			if !mgr.GetCache().WaitForCacheSync(ctx) {
				return errors.New("the cache is not filled yet")
			}
			return nil
		}),
	)
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("setup: %w", err)
	}
	return mgr, done, nil
}

// measure registers the operator's metrics. What it returns unregisters them.
func (o *options) measure(r *controllers.Reconciler, mgr ctrl.Manager) (done func(), err error) {
	all := []prometheus.Collector{r.UpgradesWaiting(), r.Counters}
	if o.streamMetrics {
		all = append(all, &controllers.StreamConditions{Reader: mgr.GetCache(), Elected: mgr.Elected()})
	}
	for _, c := range all {
		err = errors.Join(err, metrics.Registry.Register(c))
	}
	return func() {
		for _, c := range all {
			metrics.Registry.Unregister(c)
		}
	}, err
}

// newRecorder makes who writes events.
func newRecorder(mgr ctrl.Manager) (*controllers.EventWriter, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this host, which events tell: %w", err)
	}
	// The manager's client follows what it writes in a cache; events it has no right to read, and no use for.
	direct, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return nil, fmt.Errorf("client for events: %w", err)
	}
	return controllers.NewEventWriter(direct, "runnel-"+host), nil
}

// manager returns the options of the manager.
func (o *options) manager() (ctrl.Options, error) {
	scheme := runtime.NewScheme() // no more kinds than are used
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, eventsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return ctrl.Options{}, fmt.Errorf("scheme: %w", err)
		}
	}
	served := metricsserver.Options{BindAddress: o.metricsAddress}
	if !o.metricsInsecure {
		served.SecureServing = true
		served.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return ctrl.Options{
		Scheme: scheme,
		Cache:  controllers.CacheOptions(o.namespaces),
		// A reconciliation sees what the one before it wrote, so it neither writes it twice nor looks again at the API server. Among
		// several namespaces, each with a cache of its own, that may be seen late: what is then written again changes nothing.
		Client:                  client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: ptr.To(true)}},
		Metrics:                 served,
		HealthProbeBindAddress:  o.probeAddress,
		PprofBindAddress:        o.pprofAddress,
		LeaderElection:          o.leaderElect,
		LeaderElectionID:        leaseName,
		LeaderElectionNamespace: o.leaseNamespace,
		// The process ends when its manager does, so another may work at once.
		LeaderElectionReleaseOnCancel: true,
		// There is no webhook, and no port for one.
		WebhookServer: webhook.NewServer(webhook.Options{Port: -1}),
		Controller: config.Controller{
			// An operator that stands by again makes its controller anew.
			SkipNameValidation: ptr.To(true),
			// An operator that stands by has its cache filled when it becomes the leader.
			EnableWarmup:          ptr.To(true),
			ReconciliationTimeout: reconcileTimeout,
		},
	}, nil
}
