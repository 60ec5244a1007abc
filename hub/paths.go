package hub

import (
	"net"
	"net/http"
	"strings"
)

// portName names a port of a hub.
type portName string

const (
	subscribePort portName = "subscribe"
	publishPort   portName = "publish"
	adminPort     portName = "admin"
)

// eventsPath is where subscribers read several topics.
const eventsPath = "/v1/events"

// isProbed reports whether load balancers probe a path.
func isProbed(path string) bool { return path == "/" || path == "/healthz" }

// answerProbe answers a load balancer, which shows no credential, with a line of text. It reports whether the request is a probe.
func answerProbe(w http.ResponseWriter, r *http.Request, text string) bool {
	if !isProbed(r.URL.Path) || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	w.Header().Set("Cache-Control", "no-store")
	writeText(w, http.StatusOK, text)
	return true
}

// portOf returns the port that serves a path, and an empty name if none does. A path that several ports serve is not asked for.
func (h *Hub) portOf(path string) portName {
	_, oneTopic := singleTopic(path)
	get, post := h.publishRoute(path)
	switch {
	case path == eventsPath, path == ticketsPath, oneTopic:
		return subscribePort
	case path == "/readyz", path == "/status", path == "/metrics":
		return adminPort
	case get != nil, post != nil:
		return publishPort
	}
	return ""
}

// misdirected is the answer to a request that the port here has no route for. It says which port has one, else what to write instead.
func (h *Hub) misdirected(w http.ResponseWriter, r *http.Request, here portName, instead string) *problem {
	there := h.portOf(r.URL.Path)
	switch {
	case isProbed(r.URL.Path) && (there == "" || r.Method != http.MethodPost):
		w.Header().Set("Allow", "GET, HEAD")
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "load balancers GET or HEAD here")
	case (there == "" || there == here) && strings.HasPrefix(r.URL.Path, rawPath):
		return refuse(http.StatusNotFound, "not_found", "there is nothing here: %s, where a topic has no '/': its tokens are parted by '.', and '/' within a value is ~2F", instead)
	case there == "", there == here:
		return refuse(http.StatusNotFound, "not_found", "there is nothing here: %s", instead)
	}
	service := "no Service"
	if there != adminPort {
		service = "Service " + h.state.Load().config.Stream.Name + "-" + string(there)
	}
	return refuse(http.StatusNotFound, "wrong_port", "this is the %s port: send the request to the %s port, %s (in Kubernetes: %s)", here, there, h.number(there), service)
}

// number returns the number of a port.
func (h *Hub) number(of portName) string {
	addrs := h.Addrs()
	_, number, _ := net.SplitHostPort(map[portName]string{subscribePort: addrs.Subscribe, publishPort: addrs.Publish, adminPort: addrs.Admin}[of])
	return number
}
