// Package proxy makes Services reachable: each port of a Service with a cluster address is a TCP listener there, whose
// connections go to the Service's endpoints in turn.
//
// As with kube-proxy, only ready endpoints get new connections; when there is none, those that terminate but still
// serve get them; and when there is none of these either, connecting is refused. A connection that was made stays with
// its pod until one of the two closes it, also when the Service or its port is gone.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/runnel-dev/runnel/test/sandbox/node/endpoint"
	"github.com/runnel-dev/runnel/test/sandbox/node/loop"
)

const (
	// shift moves ports that only root may listen on: 80 becomes 8080.
	shift      = 8000
	privileged = 1024
	workers    = 2
	// retry is the pause after a listener could not be had, because its port is still taken.
	retry = 200 * time.Millisecond
)

// Proxy listens for all Services. Its zero value is not usable.
type Proxy struct {
	log      logr.Logger
	services corelisters.ServiceLister
	slices   cache.SharedIndexInformer
	loop     *loop.Loop
	low      bool // it may listen on ports below 1024

	mu    sync.Mutex // guards what follows; a port's own lock is taken after it
	ports map[portKey]*port
	busy  map[portKey]string // why a port is not listened on, as it was logged
	conns sync.WaitGroup
}

// portKey names a Service's port; the Service as namespace/name.
type portKey struct {
	service string
	port    string
}

// New registers the proxy with the informers, which are to be started after it.
func New(all informers.SharedInformerFactory, log logr.Logger) (*Proxy, error) {
	p := &Proxy{
		log: log, services: all.Core().V1().Services().Lister(), slices: all.Discovery().V1().EndpointSlices().Informer(),
		low: mayListenLow(), ports: map[portKey]*port{}, busy: map[portKey]string{},
	}
	p.loop = loop.New(log, p.sync)
	if err := endpoint.IndexByService(p.slices); err != nil {
		return nil, err
	}
	service := func(obj any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
			p.loop.Add(key)
		}
	}
	_, err := all.Core().V1().Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: service, DeleteFunc: service, UpdateFunc: func(_, obj any) { service(obj) },
	})
	if err != nil {
		return nil, err
	}
	slice := func(obj any) {
		if t, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = t.Obj
		}
		if s, ok := obj.(*discoveryv1.EndpointSlice); ok {
			p.loop.Add(s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName])
		}
	}
	_, err = p.slices.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: slice, DeleteFunc: slice, UpdateFunc: func(_, obj any) { slice(obj) },
	})
	return p, err
}

// mayListenLow tries it on an address that neither a pod nor a Service has.
func mayListenLow() bool {
	l, err := net.Listen("tcp", "127.95.255.255:1023")
	if err != nil {
		return !errors.Is(err, errPermission)
	}
	return l.Close() == nil
}

// Run runs until ctx is done; then it cuts every connection and returns when all of them are gone.
func (p *Proxy) Run(ctx context.Context) {
	p.loop.Run(ctx, workers)
	p.mu.Lock()
	for key, port := range p.ports {
		port.close()
		delete(p.ports, key)
	}
	p.mu.Unlock()
	p.conns.Wait()
}

// URL is where a port of a Service is reached, http://address:port, or https for a port that is named or numbered so.
// An empty name is right for a Service with one port. It is an error if there is no such Service, port or address.
func (p *Proxy) URL(namespace, service, name string) (string, error) {
	s, err := p.services.Services(namespace).Get(service)
	if err != nil {
		return "", err
	}
	return p.URLOf(s, name)
}

// URLOf is URL for a Service object.
func (p *Proxy) URLOf(s *corev1.Service, name string) (string, error) {
	var names []string
	for i := range s.Spec.Ports {
		sp := &s.Spec.Ports[i]
		names = append(names, sp.Name)
		if sp.Name != name && (name != "" || len(s.Spec.Ports) > 1) {
			continue
		}
		if !hasAddress(s) {
			return "", fmt.Errorf("service %s/%s has no cluster address: connect to its pods", s.Namespace, s.Name)
		}
		scheme := "http"
		if sp.Name == "https" || sp.Port == 443 {
			scheme = "https"
		}
		at := p.listenPort(sp.Port)
		if scheme == "http" && at == 80 {
			return "http://" + s.Spec.ClusterIP, nil
		}
		return scheme + "://" + net.JoinHostPort(s.Spec.ClusterIP, strconv.Itoa(int(at))), nil
	}
	return "", fmt.Errorf("service %s/%s has no port %q: it has %q", s.Namespace, s.Name, name, names)
}

// Cut closes all present connections of a Service with a reset, and says how many there were. New ones are served.
func (p *Proxy) Cut(namespace, service string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for key, port := range p.ports {
		if key.service == namespace+"/"+service {
			n += port.cut()
		}
	}
	return n
}

// listenPort is the port that is listened on for a Service's port.
func (p *Proxy) listenPort(n int32) int32 {
	if n < privileged && !p.low {
		return n + shift
	}
	return n
}

func hasAddress(s *corev1.Service) bool {
	return s.Spec.ClusterIP != "" && s.Spec.ClusterIP != corev1.ClusterIPNone && s.Spec.Type != corev1.ServiceTypeExternalName
}

// sync makes the listeners and their endpoints what the Service and its slices say.
func (p *Proxy) sync(_ context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, err
	}
	service, err := p.services.Services(namespace).Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return 0, err
	}
	slices, err := endpoint.BelongingTo(p.slices, key)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := map[portKey]bool{}
	busy := false
	if service != nil && hasAddress(service) {
		for i := range service.Spec.Ports {
			sp := &service.Spec.Ports[i]
			if sp.Protocol == corev1.ProtocolUDP || sp.Protocol == corev1.ProtocolSCTP {
				continue
			}
			at := net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(p.listenPort(sp.Port))))
			k := portKey{key, at}
			wanted[k] = true
			if p.ports[k] == nil {
				p.ports[k] = newPort(at, &p.conns)
			}
			if err := p.ports[k].serve(backends(slices, sp.Name)); err != nil {
				if p.busy[k] != err.Error() {
					p.busy[k] = err.Error()
					p.log.Info("Cannot listen for a Service", "service", key, "reason", err.Error())
				}
				busy = true
				continue
			}
			delete(p.busy, k)
		}
	}
	for k, port := range p.ports {
		if k.service == key && !wanted[k] && port.retire() {
			delete(p.ports, k)
			delete(p.busy, k)
		}
	}
	if busy {
		return retry, nil
	}
	return 0, nil
}

// backends are the addresses that new connections go to.
func backends(slices []*discoveryv1.EndpointSlice, port string) []string {
	var ready, serving []string
	for _, s := range slices {
		for _, sp := range s.Ports {
			if sp.Port == nil || (sp.Name == nil && port != "") || (sp.Name != nil && *sp.Name != port) {
				continue
			}
			for i := range s.Endpoints {
				e := &s.Endpoints[i]
				at := net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*sp.Port)))
				switch {
				case e.Conditions.Ready == nil || *e.Conditions.Ready:
					ready = append(ready, at)
				case e.Conditions.Serving != nil && *e.Conditions.Serving && e.Conditions.Terminating != nil && *e.Conditions.Terminating:
					serving = append(serving, at)
				}
			}
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return serving
}
