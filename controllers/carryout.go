package controllers

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/apply"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/hub/config"
)

// carryOut resolves, renders and applies. What a person must know of becomes v.problem; an error is what a new try may mend.
// It waits when the cluster's issuer keys are needed and not known yet: the issuer's poller triggers the next reconcile. It also waits
// when the stream or its namespace is being deleted.
func (r *Reconciler) carryOut(ctx context.Context, v *view) (wait bool, err error) {
	resolved, err := render.Resolve(v.stream)
	if err != nil {
		v.problem = err
		return false, nil
	}
	issuers, wait, err := r.issuers(ctx, v, resolved)
	if err != nil || wait {
		return wait, err
	}
	v.first = v.firstHub()
	cfg, err := render.Config(resolved, &render.Cluster{Domain: r.ClusterDomain, Issuers: issuers, FirstHub: v.first})
	if err != nil {
		v.problem = err
		return false, nil
	}
	image, err := r.image(ctx, v)
	if err != nil {
		return false, err
	}
	fitted, err := r.fit(ctx, v, cfg, image)
	if err != nil {
		return false, err
	}
	v.tlsSecret, v.depends = resolved.TLSSecret, depends(fitted)
	children, err := render.Children(render.Input{Stream: resolved, Config: cfg, Document: fitted, Image: image})
	if err != nil {
		return false, err
	}
	for _, child := range children {
		if child.Kind.Kind == "Deployment" {
			child.Meta.WithAnnotations(map[string]string{imageAnnotation: image})
		}
	}
	if err := r.apply(ctx, v, children, config.Hash(fitted)); err != nil {
		if errors.Is(err, apply.ErrDeleted) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return true, nil // the stream goes, or its namespace, which takes no event about it any more
		}
		if err := v.refused(err); err != nil {
			return false, err
		}
		return false, nil
	}
	v.applied, v.image, v.configHash = true, image, config.Hash(fitted)
	return false, nil
}

// apply applies the children, of which the ConfigMap has the hash, and tells of what it changed, also when it fails half-way.
func (r *Reconciler) apply(ctx context.Context, v *view, children []render.Child, hash string) error {
	var changes []apply.Change
	err := r.Applier.All(ctx, v.stream, children, func(c apply.Change) { changes = append(changes, c) })
	r.known.of(client.ObjectKeyFromObject(v.stream)).written.applied(children)
	before := v.deployment
	if err == nil || len(changes) > 0 {
		err = errors.Join(err, r.readDeployment(ctx, v))
	}
	r.announce(ctx, v, changes, hash, before)
	return err
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
	case errors.As(err, &conflict), errors.As(err, &leftover),
		// An admission webhook may deny with any code; these are no accidents.
		apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		v.problem = err
		return nil
	default:
		return err
	}
}

// isInvalid says whether the API server's validation found an object invalid, which only another one mends. An admission policy may
// answer with the same reason; it names no field, and may change by itself.
func isInvalid(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || len(details.Causes) == 0 ||
		slices.ContainsFunc(details.Causes, func(c metav1.StatusCause) bool { return c.Field != "" })
}

// issuers returns who issues the cluster's tokens. Hubs know each other by them, but that is no reason to keep a stream waiting:
// only publishers are.
func (r *Reconciler) issuers(ctx context.Context, v *view, resolved render.Resolved) (issuers []config.Issuer, wait bool, err error) {
	state, published := r.Issuers.State(), len(resolved.PublisherGrants) > 0
	switch {
	case state.Pending && published:
		return nil, true, nil
	case !state.Pending && state.Err == nil:
		return state.Issuers, false, nil
	}
	issuers, err = r.writtenIssuers(ctx, v.stream)
	v.keysMissing = len(issuers) == 0 && published
	return issuers, false, err
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

// readConfigHash finds out which configuration the hub has when not all of the children were applied, or none.
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
	if err != nil || !apply.Has(stream, cm) {
		return nil, client.IgnoreNotFound(err)
	}
	cfg, err := r.additions.Decode([]byte(cm.Data[render.ConfigKey]))
	if err != nil {
		return nil, nil
	}
	return cfg, nil
}
