package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/issuer"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

const (
	// conflictWait is how often it is looked whether somebody's object still has a child's name: the cache does not see it.
	conflictWait = 30 * time.Second
	// leftoverWait is the same for what the garbage collector is about to take.
	leftoverWait = 2 * time.Second
)

// Reconciler carries out EventStreams. Make one with its exported fields set and call SetupWithManager.
type Reconciler struct {
	// Client writes, and reads from the manager's cache, which must be made with CacheOptions.
	Client client.Client
	// Applier applies children.
	Applier *apply.Applier
	// Issuers says who issues the cluster's tokens.
	Issuers interface{ State() issuer.State }
	// Hubs asks hubs what they run.
	Hubs HubReader
	// Recorder records transitions as events.
	Recorder events.EventRecorder
	// HubImage is what new hubs run; a stream that has one keeps its own.
	HubImage string
	// ClusterDomain ends the names of Services, without a leading dot.
	ClusterDomain string

	known tracker
}

// The least that is needed. There is no verb for Secrets, and pods cannot be patched: pods/status lets nobody change a pod's spec.
//
// +kubebuilder:rbac:groups=runnel.dev,resources=eventstreams,verbs=get;list;watch
// +kubebuilder:rbac:groups=runnel.dev,resources=eventstreams/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=configmaps;serviceaccounts;services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:urls=/.well-known/openid-configuration;/openid/v1/jwks,verbs=get

// Reconcile brings one stream from its spec to its status.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	stream := &v1alpha1.EventStream{}
	if err := r.Client.Get(ctx, req.NamespacedName, stream); err != nil {
		if apierrors.IsNotFound(err) {
			r.known.forget(req.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !stream.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // owner references delete what belongs to it
	}
	v := &view{stream: stream, clusterDomain: r.ClusterDomain, configHash: stream.Status.ConfigHash, image: stream.Status.Image}
	if err := r.readDeployment(ctx, v); err != nil {
		return reconcile.Result{}, err
	}
	if !stream.Spec.Suspend {
		wait, err := r.carryOut(ctx, v)
		if err != nil || wait {
			return reconcile.Result{}, err
		}
	}
	again, err := r.observe(ctx, v)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := r.writeStatus(ctx, v); err != nil {
		return reconcile.Result{}, err
	}
	return after(v, again)
}

// after says when to come back: at once by the error of a refused child, which backs off; after a while for what no watch
// tells.
func after(v *view, again time.Duration) (reconcile.Result, error) {
	var conflict *apply.ConflictError
	var leftover *apply.LeftoverError
	var invalid *render.InvalidError
	switch {
	case errors.As(v.problem, &conflict):
		again = shorter(again, conflictWait)
	case errors.As(v.problem, &leftover):
		again = shorter(again, leftoverWait)
	case errors.As(v.problem, &invalid):
		// Only a new spec helps, and that is watched.
	case v.problem != nil && !apierrors.IsInvalid(v.problem):
		return reconcile.Result{}, v.problem
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// carryOut resolves, renders and applies. What a person must know of becomes v.problem; an error is what a new try may mend.
// It waits when the cluster's issuer keys are not known yet, since whoever learns them tells, and when the namespace is going.
func (r *Reconciler) carryOut(ctx context.Context, v *view) (wait bool, err error) {
	resolved, err := render.Resolve(v.stream)
	if err != nil {
		v.problem = err
		return false, nil
	}
	var issuers []config.Issuer
	if len(resolved.PublisherGrants) > 0 {
		state := r.Issuers.State()
		if state.Pending {
			return true, nil
		}
		issuers = state.Issuers
		if state.Err != nil {
			if issuers, err = r.writtenIssuers(ctx, v.stream); err != nil {
				return false, err
			}
			v.keysMissing = len(issuers) == 0
		}
	}
	cfg, err := render.Config(resolved, issuers)
	if err != nil {
		v.problem = err
		return false, nil
	}
	v.tlsSecret, v.depends = resolved.TLSSecret, depends(cfg)
	image := r.pinnedImage(v)
	children, err := render.Children(render.Input{Stream: resolved, Config: cfg, Image: image})
	if err != nil {
		return false, err
	}
	if err := r.Applier.All(ctx, v.stream, children); err != nil {
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return true, nil // the stream goes with its namespace, which takes no event about it any more
		}
		if err := v.refused(err); err != nil {
			return false, err
		}
		return false, r.readConfigHash(ctx, v)
	}
	v.applied, v.image, v.configHash = true, image, config.Hash(cfg)
	return false, r.readDeployment(ctx, v)
}

// depends says whether a hub of the configuration reads what the operator does not write.
func depends(cfg *config.Config) bool {
	if len(cfg.References()) > 0 {
		return true
	}
	readers := cfg.Auth.Subscribers.JWT
	return readers != nil && slices.ContainsFunc(readers.Issuers, func(i config.TokenIssuer) bool { return i.JWKSURI != "" })
}

// refused keeps an error that a person can do something about, and gives back any other.
func (v *view) refused(err error) error {
	var conflict *apply.ConflictError
	var leftover *apply.LeftoverError
	switch {
	case errors.As(err, &conflict), errors.As(err, &leftover), apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		v.problem = err
		return nil
	default:
		return err
	}
}

// pinnedImage is the image that the stream's hub runs, and the operator's only for a new one. The Deployment counts where the
// status was not written in time.
func (r *Reconciler) pinnedImage(v *view) string {
	if v.image != "" {
		return v.image
	}
	if v.deployment != nil {
		for _, c := range v.deployment.Spec.Template.Spec.Containers {
			if c.Name == render.HubContainer {
				return c.Image
			}
		}
	}
	return r.HubImage
}

// writtenIssuers returns the issuers of the stream's present configuration: what ran before keeps running when the API server
// does not tell its keys.
func (r *Reconciler) writtenIssuers(ctx context.Context, stream *v1alpha1.EventStream) ([]config.Issuer, error) {
	cfg, err := r.writtenConfig(ctx, stream)
	if err != nil || cfg == nil {
		return nil, err
	}
	return cfg.Auth.Issuers, nil
}

// readConfigHash finds out which configuration the hub has when only some of the children were applied.
func (r *Reconciler) readConfigHash(ctx context.Context, v *view) error {
	cfg, err := r.writtenConfig(ctx, v.stream)
	if cfg != nil {
		v.configHash = config.Hash(cfg)
	}
	return err
}

// writtenConfig reads the stream's present configuration; nil if there is none that can be read, which is written anew.
func (r *Reconciler) writtenConfig(ctx context.Context, stream *v1alpha1.EventStream) (*config.Config, error) {
	cm := &corev1.ConfigMap{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: stream.Namespace, Name: render.HubName(stream.Name)}, cm)
	if err != nil || !metav1.IsControlledBy(cm, stream) {
		return nil, client.IgnoreNotFound(err)
	}
	cfg, err := config.Decode([]byte(cm.Data[render.ConfigKey]))
	if err != nil {
		return nil, nil
	}
	return cfg, nil
}

// writeStatus writes the status if it changed, and records what that means as events.
func (r *Reconciler) writeStatus(ctx context.Context, v *view) error {
	status := v.status(metav1.Now())
	if sameStatus(&v.stream.Status, &status) {
		return nil
	}
	err := r.Client.Status().Apply(ctx, statusConfiguration(v.stream, &status), apply.FieldOwner, client.ForceOwnership)
	if apierrors.IsNotFound(err) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	for _, t := range transitions(v.stream.Status.Conditions, status.Conditions) {
		r.Recorder.Eventf(v.stream, nil, t.kind, t.reason, eventAction, "%s", t.message)
	}
	return nil
}

func shorter(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}
