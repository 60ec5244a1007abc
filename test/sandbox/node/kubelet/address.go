package kubelet

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/runnel-dev/runnel/test/sandbox/node/block"
)

// Pods' addresses are in 127.16.0.0 to 127.79.255.255: below the Services' blocks, and away from the addresses
// that resolvers of a distribution use (127.0.x.x).
const (
	firstBlock = 16
	lastBlock  = 79
)

// addresses hands out the 64,516 addresses of its block whose last two bytes are from 1 to 254.
type addresses struct {
	block *block.Block

	mu   sync.Mutex
	last int // index of the last address given, so that a fresh address is not one that a client still remembers
	used map[netip.Addr]bool
}

func claimAddresses() (*addresses, error) {
	b, err := block.Claim(firstBlock, lastBlock)
	if err != nil {
		return nil, fmt.Errorf("addresses of pods: %w", err)
	}
	return &addresses{block: b, used: map[netip.Addr]bool{}}, nil
}

func (a *addresses) release() error { return a.block.Release() }

func (a *addresses) take() (netip.Addr, error) {
	const per = 254
	a.mu.Lock()
	defer a.mu.Unlock()
	for range per * per {
		a.last = (a.last + 1) % (per * per)
		ip := netip.AddrFrom4([4]byte{127, a.block.Second, byte(1 + a.last/per), byte(1 + a.last%per)})
		if !a.used[ip] {
			a.used[ip] = true
			return ip, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no address left in 127.%d.0.0/16: delete pods", a.block.Second)
}

func (a *addresses) give(ip netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, ip)
}
