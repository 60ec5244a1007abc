package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/runnel-dev/runnel/hub/http1"
)

const (
	// headerTimeout bounds how long a client may take for its request's headers.
	headerTimeout = 10 * time.Second
	// bodyTimeout bounds how long a publisher may take for its event.
	bodyTimeout = 30 * time.Second
	// idleTimeout is how long a publisher's connection may rest between requests: longer than the idle time of common
	// connection pools (90 s in Go), so that they close first and never meet a connection that is just closing.
	idleTimeout = 2 * time.Minute
	// maxHeaderBytes is ample for a ServiceAccount token and 64 selectors.
	maxHeaderBytes = 64 << 10
	// expireInterval gives memory of a log at rest back.
	expireInterval = time.Second
	// closeTimeout bounds how long requests that are under way at the end may take.
	closeTimeout = 5 * time.Second
)

// drainPoll is how soon after its last reader a draining hub ends.
const drainPoll = 20 * time.Millisecond

// Run serves until ctx is done, then drains: the hub turns not-ready, goes on serving, and closes its readers evenly over the
// drain window. It returns as soon as the last is gone. It is called once.
func (h *Hub) Run(ctx context.Context) error {
	ports := []port{
		newPort(h.publish, h.newFront(h.publish, publishFront{h}, http1.Options{}), h.server(h.publishRoutes(), h.certificate)),
		newPort(h.subscribe, h.newFront(h.subscribe, newSubscribeFront(h), http1.Options{GetOnly: true}), h.server(h.subscribeRoutes(), h.certificate)),
		newPort(h.admin, nil, h.adminServer()), // kubelets and the operator come without an authority for its certificate
	}
	var work sync.WaitGroup
	failed := make(chan error, serversOfPort*len(ports))
	for _, p := range ports {
		p.serve(&work, failed)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	work.Go(func() { h.expire(background) })
	s := h.state.Load()
	h.logger.Info("serving", "namespace", s.config.Stream.Namespace, "stream", s.config.Stream.Name, "subscribe", h.Addrs().Subscribe,
		"publish", h.Addrs().Publish, "admin", h.Addrs().Admin, "epoch", h.log.Epoch(), "config", s.hash)

	var err error
	select {
	case <-ctx.Done():
		h.drain()
	case err = <-failed:
		err = fmt.Errorf("a server stopped: %w", err)
	}
	stop()
	err = errors.Join(err, shutdown(ports))
	h.conversations.close()
	work.Wait()
	h.pool.Close()
	h.remote.Close()
	h.logger.Info("stopped")
	return err
}

// drain closes all readers over the window. One whose connection is stuck is left to shutdown.
func (h *Hub) drain() {
	window := h.state.Load().config.Drain.Window.D()
	h.draining.Store(true)
	h.logger.Info("draining", "readers", h.pool.Readers(), "window", window.String())
	h.pool.Drain(window)
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	for end := time.Now().Add(window + h.stall); h.taken.Load() > 0 && time.Now().Before(end); {
		<-ticker.C
	}
}

func (h *Hub) expire(ctx context.Context) {
	ticker := time.NewTicker(expireInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			h.log.Expire()
		}
	}
}

// adminServer answers at once: nobody has a reason to send it slowly what it does not read.
func (h *Hub) adminServer() *http.Server {
	s := h.server(h.adminRoutes(), nil)
	s.ReadTimeout = h.body
	return s
}

// server encrypts when there is a certificate to come.
func (h *Hub) server(routes http.Handler, c *certificate) *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	s := &http.Server{
		Handler:   routes,
		Protocols: protocols,
		// A stream's own deadline does not end a write that its connection is stuck in.
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: h.stall, SendPingTimeout: h.stall},
		ReadHeaderTimeout: h.headers, // of a TLS handshake too
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, c)
		},
		ErrorLog: h.errorLog(),
	}
	if c == nil {
		protocols.SetUnencryptedHTTP2(true)
		return s
	}
	protocols.SetHTTP2(true)
	s.TLSConfig = c.config()
	return s
}
