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
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
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
	// reconcileTimeout ends a reconciliation that hangs on the API server; a healthy one takes milliseconds, and the slowest
	// waits a second for hubs.
	reconcileTimeout = time.Minute

	// shutdownTimeout is for how long a signal lets the manager end its parts; the pod has 10 s.
	shutdownTimeout = 8 * time.Second

	// stopTimeout is for how long the end of the process and the release of the lease wait for reconciliations. Those that wait for
	// the API server are cancelled.
	stopTimeout = time.Second

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
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		logger.Error(err, "The operator ends")
		os.Exit(1)
	}
}

// run works until the context ends or the lease is lost, which is an error. It returns when no stream is worked on any more. There is
// no second try in the same process: the kubelet starts another one, which knows nothing of this one's time as the leader.
func run(ctx context.Context, o *options) error {
	mgr, reconciler, err := setup(ctx, o)
	if err != nil {
		return err
	}
	err = mgr.Start(ctx)
	if !reconciler.Stop(stopTimeout) {
		ctrl.Log.Info("Streams are still worked on, and the process ends all the same")
	}
	return err
}

// setup makes a manager and its reconciler.
func setup(ctx context.Context, o *options) (ctrl.Manager, *controllers.Reconciler, error) {
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
	recorder, err := newRecorder(restConfig, managerOptions.Scheme)
	if err != nil {
		return nil, nil, err
	}
	reconciler := &controllers.Reconciler{}
	if o.leaderElect {
		managerOptions.LeaderElectionResourceLockInterface, err = newLease(restConfig, o.leaseNamespace, recorder, func() bool { return reconciler.Stop(stopTimeout) })
		if err != nil {
			return nil, nil, err
		}
	}
	mgr, err := ctrl.NewManager(restConfig, managerOptions)
	if err != nil {
		return nil, nil, fmt.Errorf("manager: %w", err)
	}
	cluster, err := issuer.NewCluster(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, nil, err
	}
	issuers := issuer.NewPoller(cluster)
	reconciler.Client = mgr.GetClient()
	reconciler.Applier = &apply.Applier{Client: mgr.GetClient(), Direct: mgr.GetAPIReader()}
	reconciler.Issuers, reconciler.Hubs = issuers, controllers.NewAdminPort()
	reconciler.Recorder, reconciler.Counters = recorder, controllers.NewCounters()
	reconciler.HubImage, reconciler.ClusterDomain = o.hubImage, o.clusterDomain
	reconciler.ImagePolicy, reconciler.ConcurrentUpgrades = o.imagePolicy, o.upgrades
	err = errors.Join(
		o.measure(reconciler, mgr),
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
		return nil, nil, fmt.Errorf("setup: %w", err)
	}
	return mgr, reconciler, nil
}

// measure registers the operator's metrics.
func (o *options) measure(r *controllers.Reconciler, mgr ctrl.Manager) error {
	err := errors.Join(metrics.Registry.Register(r.UpgradesWaiting()), metrics.Registry.Register(r.Counters))
	if o.streamMetrics {
		err = errors.Join(err, metrics.Registry.Register(&controllers.StreamConditions{Reader: mgr.GetCache(), Elected: mgr.Elected()}))
	}
	return err
}

// newRecorder makes who writes events.
func newRecorder(restConfig *rest.Config, scheme *runtime.Scheme) (*controllers.EventWriter, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this host, which events tell: %w", err)
	}
	// The manager's client follows what it writes in a cache; events it has no right to read, and no use for.
	direct, err := client.New(restConfig, client.Options{Scheme: scheme})
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
		// several namespaces, each with a cache of its own, that may be seen late: the reconciler remembers what matters then.
		Client:                 client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: ptr.To(true)}},
		Metrics:                served,
		HealthProbeBindAddress: o.probeAddress,
		PprofBindAddress:       o.pprofAddress,
		LeaderElection:         o.leaderElect,
		LeaderElectionID:       leaseName,
		// After a signal the lease is given back as soon as the workers have stopped, so that another operator works at once.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       ptr.To(shutdownTimeout),
		// There is no webhook, and no port for one.
		WebhookServer: webhook.NewServer(webhook.Options{Port: -1}),
		Controller: config.Controller{
			// An operator that stands by has its cache filled when it becomes the leader.
			EnableWarmup:          ptr.To(true),
			ReconciliationTimeout: reconcileTimeout,
		},
	}, nil
}
