// Package block divides 127.0.0.0/8 among the sandboxes of one machine, so that several may run at once.
package block

import (
	"fmt"
	"net"
)

// Block is the network 127.Second.0.0/16, which is no other sandbox's until it is released.
type Block struct {
	Second byte
	claim  net.Listener
}

// Claim takes the first free block whose second byte is from first to last. The claim is an abstract unix socket: it
// leaves no file, and is gone with the process however that ends.
func Claim(first, last byte) (*Block, error) {
	var err error
	for b := first; b <= last; b++ {
		var l net.Listener
		if l, err = net.Listen("unix", fmt.Sprintf("@runnel-sandbox-127.%d", b)); err == nil {
			return &Block{b, l}, nil
		}
	}
	return nil, fmt.Errorf("the networks from 127.%d to 127.%d are taken by other sandboxes: stop one: %w", first, last, err)
}

// Release gives the block back. It is called once.
func (b *Block) Release() error { return b.claim.Close() }
