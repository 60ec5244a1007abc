package browser

import (
	"context"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/suite"
)

// Gateway is a reverse proxy before a hub, such as browsers meet at a cluster's edge. It may lose its hub, and it may be gone itself.
// Each change ends the connections that there are.
type Gateway struct {
	addr     string
	hub      http.Handler
	server   *http.Server
	requests atomic.Int64
	refusals atomic.Int64
}

// gatewayHost is an address that no other listener and no outgoing connection has, so that a port which is given up is free afterwards.
const gatewayHost = "127.90.0.1"

// StartGateway starts a gateway that asks a hub, by its URL. It ends with the spec.
func StartGateway(hub string) *Gateway {
	ginkgo.GinkgoHelper()
	target, err := url.Parse(hub)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	g := &Gateway{addr: net.JoinHostPort(gatewayHost, "0")}
	g.hub = &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(suite.Log(), "gateway: ", 0),
	}
	g.Serve()
	ginkgo.DeferCleanup(g.Stop)
	return g
}

// URL is where browsers find the gateway.
func (g *Gateway) URL() string { return "http://" + g.addr }

// Requests counts the requests that the hub was asked.
func (g *Gateway) Requests() int { return int(g.requests.Load()) }

// Refusals counts the answers with 502.
func (g *Gateway) Refusals() int { return int(g.refusals.Load()) }

// Serve passes requests on to the hub.
func (g *Gateway) Serve() {
	ginkgo.GinkgoHelper()
	g.listen(func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		g.hub.ServeHTTP(w, r)
	})
}

// LoseHub answers with 502, as a proxy does that cannot reach its hub.
func (g *Gateway) LoseHub() {
	ginkgo.GinkgoHelper()
	g.listen(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		g.refusals.Add(1)
	})
}

// Stop refuses connections.
func (g *Gateway) Stop() {
	ginkgo.GinkgoHelper()
	if g.server != nil {
		gomega.Expect(g.server.Close()).To(gomega.Succeed())
		g.server = nil
	}
}

func (g *Gateway) listen(handler http.HandlerFunc) {
	ginkgo.GinkgoHelper()
	g.Stop()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", g.addr)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	g.addr = listener.Addr().String()
	g.server = &http.Server{Handler: handler, ErrorLog: log.New(suite.Log(), "gateway: ", 0)}
	go g.server.Serve(listener) //nolint:errcheck // it returns when it is closed
}
