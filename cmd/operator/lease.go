package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

const (
	// leaseName of the lease that one of several operators holds.
	leaseName = "runnel-operator"

	// leaseTimeout bounds a request for the lease. An operator that could not renew it for 10 s asks once more before its workers
	// are stopped; another operator takes the lease after 15 s.
	leaseTimeout = 3 * time.Second

	// ownNamespaceFile has the namespace of the pod.
	ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// lease is the lock of leader election. It is given back only after all workers have stopped. The client library gives it back also
// when it was not renewed in time, before it tells of that, and another operator would lead while the workers of this one still write.
type lease struct {
	resourcelock.Interface
	// stop stops the workers for good, and reports whether none is left.
	stop func() bool
}

// newLease makes the lock of the lease in a namespace; empty is that of the pod.
func newLease(config *rest.Config, namespace string, recorder events.EventRecorder, stop func() bool) (*lease, error) {
	if namespace == "" {
		text, err := os.ReadFile(ownNamespaceFile)
		if err != nil {
			return nil, fmt.Errorf("outside of a pod, write --leader-election-namespace: %w", err)
		}
		namespace = strings.TrimSpace(string(text))
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this host, which the lease tells: %w", err)
	}
	config = rest.AddUserAgent(config, "leader-election")
	config.Timeout = leaseTimeout
	c, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for the lease: %w", err)
	}
	return &lease{
		Interface: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
			Client:     c,
			LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID()), EventRecorder: leaseEvents{recorder}},
		},
		stop: stop,
	}, nil
}

// Update writes the lease; without a holder it gives it back.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity == "" && !l.stop() {
		return errors.New("the lease is left to expire, since this process may still write")
	}
	return l.Interface.Update(ctx, record)
}

// leaseEvents records who leads.
type leaseEvents struct{ events.EventRecorder }

// Eventf records an event in the form that leader election has for it.
func (r leaseEvents) Eventf(about runtime.Object, kind, reason, note string, args ...any) {
	r.EventRecorder.Eventf(about, nil, kind, reason, reason, note, args...)
}
