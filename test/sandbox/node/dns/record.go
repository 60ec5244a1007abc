package dns

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/runnel-dev/runnel/test/sandbox/node/endpoint"
)

const (
	// ttl of all records, in seconds, is that of a cluster's usual name server.
	ttl = 5
	// zone is the part of the names that this server knows all of.
	zone = Domain + "."
	// services is what the names of Services end with, after that of the namespace.
	services = "svc." + zone
)

// reply answers the one question of a message.
func (s *Server) reply(q *dnsmessage.Message) *dnsmessage.Message {
	r := &dnsmessage.Message{Header: dnsmessage.Header{
		ID: q.ID, Response: true, OpCode: q.OpCode, RecursionDesired: q.RecursionDesired,
	}}
	r.Questions = q.Questions
	switch {
	case q.OpCode != 0:
		r.RCode = dnsmessage.RCodeNotImplemented
		return r
	case len(q.Questions) != 1:
		r.RCode = dnsmessage.RCodeFormatError
		return r
	}
	question := q.Questions[0]
	name := strings.ToLower(question.Name.String())
	if question.Class != dnsmessage.ClassINET || (name != zone && !strings.HasSuffix(name, "."+zone)) {
		r.RCode = dnsmessage.RCodeRefused // other names are not this server's
		return r
	}
	r.Authoritative = true
	addresses, exists := s.addresses(name)
	if !exists {
		r.RCode = dnsmessage.RCodeNameError
	}
	if question.Type == dnsmessage.TypeA || question.Type == dnsmessage.TypeALL {
		for _, a := range addresses {
			r.Answers = append(r.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: ttl},
				Body:   &dnsmessage.AResource{A: a.As4()},
			})
		}
	}
	if len(r.Answers) == 0 { // by RFC 2308, section 2, both kinds of nothing come with it
		r.Authorities = []dnsmessage.Resource{authority()}
	}
	return r
}

func authority() dnsmessage.Resource {
	name := dnsmessage.MustNewName(zone)
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET, TTL: ttl},
		Body: &dnsmessage.SOAResource{
			NS: dnsmessage.MustNewName("ns." + zone), MBox: dnsmessage.MustNewName("hostmaster." + zone),
			Serial: 1, Refresh: ttl, Retry: ttl, Expire: ttl, MinTTL: ttl,
		},
	}
}

// addresses are those of a name, which may exist and have none.
func (s *Server) addresses(name string) (found []netip.Addr, exists bool) {
	if name == zone || name == services {
		return nil, true
	}
	path, ok := strings.CutSuffix(name, "."+services)
	if !ok {
		return nil, false
	}
	parts := strings.Split(path, ".") // of the Service, the endpoint's before it if there is one, and the namespace
	slices.Reverse(parts)
	switch len(parts) {
	case 1: // a namespace, which the name server of a cluster knows by its Services too
		all, err := s.services.Services(parts[0]).List(labels.Everything())
		return nil, err == nil && len(all) > 0
	case 2, 3:
	default:
		return nil, false
	}
	service, err := s.services.Services(parts[0]).Get(parts[1])
	if err != nil {
		return nil, false
	}
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		a, err := netip.ParseAddr(service.Spec.ClusterIP)
		return []netip.Addr{a}, err == nil && len(parts) == 2
	}
	all, err := endpoint.BelongingTo(s.slices, service.Namespace+"/"+service.Name)
	if err != nil {
		return nil, false
	}
	host := ""
	if len(parts) == 3 {
		host = parts[2]
	}
	found = ready(all, host)
	return found, len(found) > 0 // a headless Service without an endpoint has no name
}

// ready are the addresses of endpoints that are ready; with a host name, only of the one that is named so.
func ready(all []*discoveryv1.EndpointSlice, host string) (found []netip.Addr) {
	for _, s := range all {
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			for _, text := range e.Addresses {
				a, err := netip.ParseAddr(text)
				named := cmp.Or(deref(e.Hostname), strings.ReplaceAll(text, ".", "-"))
				if err == nil && a.Is4() && (host == "" || host == named) {
					found = append(found, a)
				}
			}
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
