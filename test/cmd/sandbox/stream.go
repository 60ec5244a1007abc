package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/runnel-dev/runnel/test/sandbox"
)

const (
	// namespace and name are where the sample stream goes, and what the sample calls it.
	namespace = "default"
	name      = "shop"
	// readyTimeout bounds each wait; it takes about two seconds on two cores.
	readyTimeout = 60 * time.Second
	poll         = 50 * time.Millisecond
)

var streamKind = schema.GroupVersionKind{Group: "runnel.dev", Version: "v1alpha1", Kind: "EventStream"}

// cluster is a sandbox and a client of it.
type cluster struct {
	*sandbox.Sandbox
	client.Client
}

func (s *setup) cluster(ctx context.Context) (*cluster, error) {
	box, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	c, err := client.New(box.Config, client.Options{})
	if err != nil {
		_ = box.Stop() // the first error is the one to tell
		return nil, err
	}
	return &cluster{box, c}, nil
}

// installOperator applies config/default and waits until the operator is available.
func (c *cluster) installOperator(ctx context.Context, s *setup) error {
	if err := c.Install(ctx, filepath.Join(s.config, "default")); err != nil {
		return err
	}
	return c.until(ctx, "the operator is available", func(ctx context.Context) (bool, string, error) {
		var all appsv1.DeploymentList
		if err := c.List(ctx, &all, client.MatchingLabels{"app.kubernetes.io/component": "operator"}); err != nil {
			return false, "", err
		}
		for _, d := range all.Items {
			if d.Status.AvailableReplicas > 0 {
				return true, "", nil
			}
		}
		return false, "look at the log: kubectl -n runnel-system logs deployment/runnel-operator", nil
	})
}

// applySample applies the sample stream by kubectl, or by the client library where there is no kubectl, and says which.
func (c *cluster) applySample(ctx context.Context, s *setup) (how string, err error) {
	file := filepath.Join(s.config, "samples", "eventstream.yaml")
	if kubectl, err := exec.LookPath("kubectl"); err == nil {
		out, err := exec.CommandContext(ctx, kubectl, "--kubeconfig", c.Kubeconfig, "-n", namespace, "apply", "--server-side", "-f", file).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("kubectl apply --server-side -f %s: %w: %s", file, err, bytes.TrimSpace(out))
		}
		return "by kubectl apply --server-side", nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	sample := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(data, &sample.Object); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	sample.SetNamespace(namespace)
	if data, err = sample.MarshalJSON(); err != nil {
		return "", err
	}
	return "by the client library, as there is no kubectl", c.applyDocument(ctx, data)
}

// applyDocument applies one document.
func (c *cluster) applyDocument(ctx context.Context, document []byte) error {
	return c.Sandbox.Apply(ctx, bytes.NewReader(document))
}

// stream is where the sample is reached.
type stream struct {
	subscribe, publish string // URLs on this machine
	audience           string // of a publisher's token
}

// readyStream waits until the sample is Ready.
func (c *cluster) readyStream(ctx context.Context) (*stream, error) {
	s := &stream{}
	err := c.until(ctx, "the stream is Ready", func(ctx context.Context) (bool, string, error) {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(streamKind)
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o); err != nil {
			return false, "", err
		}
		s.audience, _, _ = unstructured.NestedString(o.Object, "status", "address", "audience")
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, raw := range conditions {
			cond, _ := raw.(map[string]any)
			if cond["type"] == "Ready" {
				return cond["status"] == "True", fmt.Sprintf("it says %v: %v", cond["reason"], cond["message"]), nil
			}
		}
		return false, "it has no condition Ready yet", nil
	})
	if err != nil {
		return nil, err
	}
	for service, url := range map[string]*string{name + "-subscribe": &s.subscribe, name + "-publish": &s.publish} {
		var svc corev1.Service
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: service}, &svc); err != nil {
			return nil, err
		}
		if *url, err = c.Node.URLOf(&svc, ""); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// until polls until done; when it takes too long, the error says what was missing last.
func (c *cluster) until(ctx context.Context, what string, done func(context.Context) (bool, string, error)) error {
	var missing string
	err := wait.PollUntilContextTimeout(ctx, poll, readyTimeout, true, func(ctx context.Context) (bool, error) {
		ok, m, err := done(ctx)
		missing = m
		return ok, err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("not true within %s: %s; %s", readyTimeout, what, missing)
	}
	return err
}
