package hub

import (
	"context"
	"errors"
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
	// tickInterval is how often the memory of a log at rest is given back, and how late at most the log says what was counted for it.
	tickInterval = time.Second
	// lastRequestsTimeout is how long a connection may still send a request when the hub accepts no more: what a publisher that waits for
	// nothing takes for its next request, or a new one for its first.
	lastRequestsTimeout = 250 * time.Millisecond
	// closeTimeout bounds how long requests that are under way at the end may take.
	closeTimeout = 5 * time.Second
)

// Run takes over from the stream's other hubs, serves until ctx is done, hands over, and then drains: the hub turns not-ready, goes on
// serving, and closes its readers evenly over the drain window. It returns as soon as the last is gone. It is called once.
func (h *Hub) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	admin := h.newPort(adminPort, h.admin, nil, h.adminServer(background)) // kubelets and the operator come without an authority for its certificate
	clients := []port{
		h.newPort(publishPort, h.publish, h.newFront(publishPort, h.publish, publishFront{h}, http1.Options{}), h.server(h.publishRoutes(), h.certificate)),
		h.newPort(subscribePort, h.subscribe, h.newFront(subscribePort, h.subscribe, newSubscribeFront(h), http1.Options{GetOnly: true}), h.server(h.subscribeRoutes(), h.certificate)),
	}
	ports := append(clients, admin)
	var work sync.WaitGroup
	failed := make(chan error, serversOfPort*len(ports))
	admin.serve(&work, failed)
	work.Go(func() { h.tick(background) })
	var err error
	if h.peers == nil || h.peers.start(ctx) == nil { // which is ctx's end
		for _, p := range clients {
			p.serve(&work, failed)
		}
		if h.peers != nil {
			work.Go(func() { h.peers.run(background) })
		}
		err = h.serve(ctx, failed)
	}
	stop()
	err = errors.Join(err, h.lastRequests(clients), shutdown(ports))
	h.endForwards()
	h.conversations.close()
	work.Wait()
	h.pool.Close()
	h.remote.Close()
	if h.peers != nil {
		h.peers.client.Close()
	}
	h.notices.write(h.logger, time.Now().Add(noticeInterval)) // what is left
	h.logger.Info("stopped")
	return err
}

// tick does what is to be done every second.
func (h *Hub) tick(ctx context.Context) {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			h.log.Expire()
			h.notices.write(h.logger, now)
		}
	}
}

// adminServer answers at once: nobody has a reason to send it slowly what it does not read. What it goes on sending to other hubs ends
// with ctx.
func (h *Hub) adminServer(ctx context.Context) *http.Server {
	s := h.server(h.adminRoutes(), nil)
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	s.ReadTimeout = h.body
	return s
}

// server encrypts when there is a certificate to come.
func (h *Hub) server(routes http.Handler, c *certificate) *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	s := &http.Server{
		Handler:   h.closing(h.recovering(routes)),
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
