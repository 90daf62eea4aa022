package limit

import "net/netip"

// Network returns the network that address counts for: an IPv4 address itself, and
// the /64 of an IPv6 one, because a host has a /64 of addresses to send from. It is
// the zero prefix if address is not one.
func Network(address netip.Addr) netip.Prefix {
	bits := 32
	if address = address.Unmap(); address.Is6() {
		bits = 64
	}
	network, _ := address.WithZone("").Prefix(bits)
	return network
}
