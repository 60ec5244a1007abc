package hub

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/runnel-dev/runnel/hub/http1"
)

// port is a listener with who serves it: net/http, and a front before it where there is one.
type port struct {
	front    *http1.Front // or nil
	server   *http.Server
	listener net.Listener // the server's
	socket   net.Listener // that connections wait at
	open     func() int   // connections, attached subscribers not counted
}

func (h *Hub) newPort(name portName, listener net.Listener, front *http1.Front, server *http.Server) port {
	if front != nil {
		return port{front, server, front.Passed(), listener, front.Connections}
	}
	a := newAccepting(listener, h, name, h.roomOf(name))
	return port{nil, server, a, listener, a.connections}
}

// serversOfPort is how many errors serve may tell.
const serversOfPort = 2

// serve begins to serve in goroutines of work. Those that stop early tell why.
func (p port) serve(work *sync.WaitGroup, failed chan<- error) {
	if p.front != nil {
		work.Go(func() {
			if err := p.front.Serve(); err != nil {
				failed <- err
			}
		})
	}
	work.Go(func() {
		if err := p.serveHTTP(); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			failed <- err
		}
	})
}

func (p port) serveHTTP() error {
	if p.server.TLSConfig != nil {
		return p.server.ServeTLS(p.listener, "", "")
	}
	return p.server.Serve(p.listener)
}

// stopAccepting closes the listener. Connections are served as before.
func (p port) stopAccepting() error {
	if p.front != nil {
		return p.front.StopAccepting()
	}
	return p.listener.Close()
}

// shutdown lets requests end that are under way, until ctx is done.
func (p port) shutdown(ctx context.Context) (err error) {
	if p.front != nil && p.front.Shutdown(ctx) != nil { // before the server that it passes connections to
		err = p.front.Close()
	}
	if p.server.Shutdown(ctx) != nil {
		err = errors.Join(err, p.server.Close())
	}
	if closed := p.listener.Close(); !errors.Is(closed, net.ErrClosed) { // of a server that never served
		err = errors.Join(err, closed)
	}
	return err
}

// shutdown ends all ports side by side, so that a client which keeps one of them waiting takes no time from those of others.
func shutdown(ports []port) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	failed := make([]error, len(ports))
	var work sync.WaitGroup
	for i, p := range ports {
		work.Go(func() { failed[i] = p.shutdown(ctx) })
	}
	work.Wait()
	return errors.Join(failed...)
}
