package kubelet

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// Pods' addresses are in 127.16.0.0 to 127.79.255.255: below the Services' 127.96.0.0/16, and away from the addresses
// that resolvers of a distribution use (127.0.x.x).
const (
	firstBlock = 16
	lastBlock  = 79
)

// addresses hands out the 64,516 addresses 127.block.1-254.1-254.
type addresses struct {
	block byte
	claim net.Listener

	mu   sync.Mutex
	last int // index of the last address given, so that a fresh address is not one that a client still remembers
	used map[netip.Addr]bool
}

// claimAddresses takes the first block that no other sandbox on this machine has. The claim is an abstract unix socket:
// it leaves no file, and is gone with the process however that ends.
func claimAddresses() (*addresses, error) {
	var err error
	for b := firstBlock; b <= lastBlock; b++ {
		var l net.Listener
		if l, err = net.Listen("unix", fmt.Sprintf("@runnel-sandbox-pods-127.%d", b)); err == nil {
			return &addresses{block: byte(b), claim: l, used: map[netip.Addr]bool{}}, nil
		}
	}
	return nil, fmt.Errorf("all pod networks 127.%d to 127.%d are taken: stop another sandbox: %w", firstBlock, lastBlock, err)
}

func (a *addresses) release() error { return a.claim.Close() }

func (a *addresses) take() (netip.Addr, error) {
	const per = 254
	a.mu.Lock()
	defer a.mu.Unlock()
	for range per * per {
		a.last = (a.last + 1) % (per * per)
		ip := netip.AddrFrom4([4]byte{127, a.block, byte(1 + a.last/per), byte(1 + a.last%per)})
		if !a.used[ip] {
			a.used[ip] = true
			return ip, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no address left in 127.%d.0.0/16: delete pods", a.block)
}

func (a *addresses) give(ip netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, ip)
}
