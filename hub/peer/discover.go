package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Resolver finds the hubs of a stream.
type Resolver interface {
	// Peers returns the addresses of the others, and whether the hub's own is listed, so that the answer is as new as its start.
	Peers(ctx context.Context) (addresses []string, listed bool, err error)
}

// lookupTimeout bounds one answer: a name server that is asked within the cluster takes milliseconds.
const lookupTimeout = 2 * time.Second

// DNS is a Resolver by the name of a headless Service.
type DNS struct {
	service string
	own     netip.Addr
	port    string
	by      *net.Resolver
}

// NewDNS returns a Resolver for the hub at an address, whose peers answer at its own port. A name server is host:port; an empty one is
// the system's. It fails for what is no address.
func NewDNS(service, own, port, nameserver string) (*DNS, error) {
	ip, err := netip.ParseAddr(own)
	if err != nil {
		return nil, fmt.Errorf("the pod's own address cannot be read: %w", err)
	}
	d := &DNS{service: service, own: ip.Unmap(), port: port, by: net.DefaultResolver}
	if nameserver != "" {
		d.by = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, nameserver)
		}}
	}
	return d, nil
}

// Self is the hub's own address.
func (d *DNS) Self() string { return net.JoinHostPort(d.own.String(), d.port) }

// Peers implements Resolver. A pod of two families has an address of each; those of the hub's own count. A name that has no address is no
// error.
func (d *DNS) Peers(ctx context.Context) (addresses []string, listed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	all, err := d.by.LookupNetIP(ctx, "ip", d.service)
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, ip := range all {
		switch ip = ip.Unmap(); {
		case ip == d.own:
			listed = true
		case ip.Is4() == d.own.Is4():
			addresses = append(addresses, net.JoinHostPort(ip.String(), d.port))
		}
	}
	slices.Sort(addresses)
	return slices.Compact(addresses), listed, nil
}
