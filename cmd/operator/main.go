// Command operator carries out EventStreams: it makes a hub of each, and says in its status how it does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

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
)

const (
	// leaseName of the lease that one of several operators holds.
	leaseName = "runnel-operator"

	// reconcileTimeout ends a reconciliation that hangs on the API server; a healthy one takes milliseconds, and the slowest
	// waits a second for hubs.
	reconcileTimeout = time.Minute

	// syncedTimeout is how long a readiness probe waits to see that the cache is filled.
	syncedTimeout = 100 * time.Millisecond
)

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
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		logger.Error(err, "The operator ends")
		os.Exit(1)
	}
}

// run works until the context ends.
func run(ctx context.Context, o *options) error {
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("connection to the API server: %w", err)
	}
	managerOptions, err := o.manager()
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(restConfig, managerOptions)
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	cluster, err := issuer.NewCluster(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	issuers := issuer.NewPoller(cluster)
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name of this host, which events tell: %w", err)
	}
	// The manager's client follows what it writes in a cache; events it has no right to read, and no use for.
	direct, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return fmt.Errorf("client for events: %w", err)
	}
	recorder := controllers.NewEventWriter(direct, "runnel-"+host)
	reconciler := &controllers.Reconciler{
		Client:        mgr.GetClient(),
		Applier:       &apply.Applier{Client: mgr.GetClient(), Direct: mgr.GetAPIReader()},
		Issuers:       issuers,
		Hubs:          controllers.NewAdminPort(),
		Recorder:      recorder,
		HubImage:      o.hubImage,
		ClusterDomain: o.clusterDomain,

		UpgradePolicy:      o.upgradePolicy,
		ConcurrentUpgrades: o.upgrades,
	}
	err = errors.Join(
		mgr.Add(issuers),
		mgr.Add(recorder),
		metrics.Registry.Register(reconciler.UpgradesWaiting()),
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
		return fmt.Errorf("setup: %w", err)
	}
	return mgr.Start(ctx)
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
			// An operator that stands by has its cache filled when it becomes the leader.
			EnableWarmup:          ptr.To(true),
			ReconciliationTimeout: reconcileTimeout,
		},
	}, nil
}
