package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/test/platform"
	"github.com/runnel-dev/runnel/test/sandbox"
	"github.com/runnel-dev/runnel/test/scale/churn"
	"github.com/runnel-dev/runnel/test/scale/hubs"
	"github.com/runnel-dev/runnel/test/scale/manager"
)

const (
	// The operator's ServiceAccount in config/default.
	operatorNamespace = "runnel-system"
	operatorAccount   = "runnel-operator"

	// perNamespace is how many streams share a namespace, and a team.
	perNamespace = 50
	// sample is what each stream is like.
	sample = "config/samples/eventstream.yaml"
	// hubImage is the one that config/default names.
	hubImage = platform.Image + ":0.1.0"
)

// cluster is a sandbox with faked pods, stand-ins for their hubs, and the operator beside it.
type cluster struct {
	*platform.Platform
	calls   *counter
	tracker *churn.Tracker
	load    *churn.Load
	hubs    *hubs.Hubs

	options manager.Options
	manager *manager.Manager

	stop  context.CancelFunc
	ended chan error // of the cache
}

// newCluster starts all but the operator.
func newCluster(ctx context.Context, o Options) (_ *cluster, err error) {
	c := &cluster{
		calls:   &counter{user: fmt.Sprintf("system:serviceaccount:%s:%s", operatorNamespace, operatorAccount), calls: Calls{}, others: Calls{}},
		tracker: churn.NewTracker(), ended: make(chan error, 1),
	}
	c.Platform, err = platform.Start(ctx, platform.Options{Bin: o.Bin, Sandbox: sandbox.Options{FakeReady: true, Calls: c.calls.tell}})
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context, o Options) error {
	// The operator's own pod is only faked, like all others; the one that is measured is a process with its account's token.
	if err := c.Install(ctx); err != nil {
		return err
	}
	base := &v1alpha1.EventStream{}
	document, err := os.ReadFile(filepath.Join(platform.Root(), sample))
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(document, base); err != nil {
		return fmt.Errorf("%s: %w", sample, err)
	}
	c.load = &churn.Load{Client: c.Client, Tracker: c.tracker, Base: base}
	for i := range (slices.Max(o.Sizes) + perNamespace - 1) / perNamespace {
		team := fmt.Sprintf("team-%d", i)
		if err := c.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: team}}); err != nil {
			return err
		}
		c.load.Namespaces = append(c.load.Namespaces, team)
	}

	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	cache, err := churn.NewCache(c.Config, c.Client.Scheme())
	if err != nil {
		return err
	}
	c.hubs = hubs.New(cache)
	if err := c.tracker.Watch(running, cache, c.hubs); err != nil {
		return err
	}
	go func() { c.ended <- cache.Start(running) }()
	if !cache.WaitForCacheSync(ctx) {
		return errors.New("the streams cannot be watched")
	}
	c.options = manager.Options{Program: filepath.Join(o.Bin, "operator"), Args: o.OperatorArgs, HubImage: hubImage, Dir: o.Dir}
	c.options.Config, err = c.API.ServiceAccountConfig(ctx, operatorNamespace, operatorAccount)
	return err
}

// startOperator starts the operator, or starts it anew.
func (c *cluster) startOperator(ctx context.Context) (err error) {
	c.manager, err = manager.Start(ctx, c.options)
	return err
}

func (c *cluster) stopOperator() error {
	if c.manager == nil {
		return nil
	}
	m := c.manager
	c.manager = nil
	return m.Stop()
}

func (c *cluster) close() error {
	err := c.stopOperator()
	if c.stop != nil {
		c.stop()
		if c.hubs != nil {
			err = errors.Join(err, c.hubs.Close(), c.hubs.Err())
		}
	}
	return errors.Join(err, c.Stop())
}
