// Package platform is Runnel in a sandbox, as a platform team would have installed it: the CRDs and the operator from config/, the
// operator as a pod with its own ServiceAccount and rights. The demo and the tests start from it.
package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/api/v1alpha1"
	"github.com/runnel-dev/runnel/controllers/render"
	"github.com/runnel-dev/runnel/test/sandbox"
)

// Image is the reference that config/ names for operator and hubs.
const Image = "runnel"

// poll is how often a state is looked at that no watch tells of.
const poll = 50 * time.Millisecond

// Options of a platform.
type Options struct {
	// Bin is the directory with the built programs operator and hub.
	Bin string
	// Sandbox is how the sandbox runs; images may be added to it.
	Sandbox sandbox.Options
}

// Platform is a sandbox with Runnel in it.
type Platform struct {
	*sandbox.Sandbox
	// Client has every right, and reads past any cache.
	Client client.Client
}

// Scheme returns Kubernetes' own kinds and Runnel's.
func Scheme() (*kruntime.Scheme, error) {
	s := kruntime.NewScheme()
	return s, errors.Join(clientscheme.AddToScheme(s), v1alpha1.AddToScheme(s))
}

// Root is the directory of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Start starts a sandbox, empty but for its own parts.
func Start(ctx context.Context, o Options) (*Platform, error) {
	for _, program := range []string{"operator", "hub"} {
		if _, err := os.Stat(filepath.Join(o.Bin, program)); err != nil {
			return nil, fmt.Errorf("the program %s is not built: run make build: %w", program, err)
		}
	}
	images := map[string]sandbox.Image{Image: {Root: o.Bin}}
	for name, image := range o.Sandbox.Images {
		images[name] = image
	}
	o.Sandbox.Images = images
	box, err := sandbox.Start(ctx, o.Sandbox)
	if err != nil {
		return nil, err
	}
	p := &Platform{Sandbox: box}
	scheme, err := Scheme()
	if err == nil {
		p.Client, err = client.New(box.Config, client.Options{Scheme: scheme})
	}
	if err != nil {
		return nil, errors.Join(err, box.Stop())
	}
	return p, nil
}

// Install installs CRDs and operator from config/ and waits until the operator is ready.
func (p *Platform) Install(ctx context.Context) error {
	if err := p.Sandbox.Install(ctx, filepath.Join(Root(), "config", "default")); err != nil {
		return err
	}
	return p.Until(ctx, "the operator is not ready", func(ctx context.Context) (string, bool, error) {
		pods := &corev1.PodList{}
		err := p.Client.List(ctx, pods, client.InNamespace("runnel-system"))
		for _, pod := range pods.Items {
			if ready(&pod) {
				return "", true, nil
			}
		}
		return fmt.Sprintf("%d pods", len(pods.Items)), false, err
	})
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Ready waits until a stream's newest spec serves, and returns the stream.
func (p *Platform) Ready(ctx context.Context, key types.NamespacedName) (*v1alpha1.EventStream, error) {
	stream := &v1alpha1.EventStream{}
	return stream, p.Until(ctx, "EventStream "+key.String()+" is not ready", func(ctx context.Context) (string, bool, error) {
		if err := p.Client.Get(ctx, key, stream); err != nil {
			return "", false, err
		}
		c := meta.FindStatusCondition(stream.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil {
			return "it has no status yet", false, nil
		}
		return c.Reason + ": " + c.Message, c.Status == metav1.ConditionTrue && c.ObservedGeneration == stream.Generation, nil
	})
}

// Until looks at a state until it is as wanted. When ctx ends, the error holds the last state.
func (p *Platform) Until(ctx context.Context, what string, look func(context.Context) (state string, ok bool, err error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	last := ""
	for {
		state, ok, err := look(ctx)
		switch {
		case ok && err == nil:
			return nil
		case err != nil && ctx.Err() == nil:
			last = err.Error()
		case err == nil:
			last = state
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s (%s): %w", what, strings.TrimSpace(last), context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// SubscribeURL is where a stream's readers connect from this machine, without a path. It waits until a hub serves there.
func (p *Platform) SubscribeURL(ctx context.Context, stream types.NamespacedName) (string, error) {
	return p.serviceURL(ctx, stream.Namespace, render.SubscribeName(stream.Name))
}

// PublishURL is where a stream's publishers connect from this machine, without a path.
func (p *Platform) PublishURL(ctx context.Context, stream types.NamespacedName) (string, error) {
	return p.serviceURL(ctx, stream.Namespace, render.PublishName(stream.Name))
}

func (p *Platform) serviceURL(ctx context.Context, namespace, name string) (url string, err error) {
	err = p.Until(ctx, "Service "+namespace+"/"+name+" takes no connection", func(ctx context.Context) (string, bool, error) {
		if url, err = p.Node.ServiceURL(namespace, name, ""); err != nil {
			return "", false, err
		}
		// A Service's proxy follows its pods a moment later, here as in a cluster.
		scheme, address, _ := strings.Cut(url, "://")
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(address, scheme) // the port by its name
		}
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return "", false, err
		}
		return "", true, c.Close()
	})
	return url, err
}

// Token returns a token of a ServiceAccount for an audience, good for an hour.
func (p *Platform) Token(ctx context.Context, namespace, account, audience string) (string, error) {
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}
	if err := p.Client.SubResource("token").Create(ctx, sa, request); err != nil {
		return "", fmt.Errorf("token of %s/%s: %w", namespace, account, err)
	}
	return request.Status.Token, nil
}
