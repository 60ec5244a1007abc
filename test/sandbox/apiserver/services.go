package apiserver

import "net"

// Services have addresses of 127.96.0.0/16: loopback addresses, on which a node's proxy can listen.
const (
	serviceNetA, serviceNetB = 127, 96
	// apiServiceIndex is the address of the Service `kubernetes`, the first one as in every cluster: 127.96.0.1.
	apiServiceIndex = 1
)

// serviceIP is the address of a number from 0 to 65535.
func serviceIP(n int) net.IP { return net.IPv4(serviceNetA, serviceNetB, byte(n>>8), byte(n)) }
