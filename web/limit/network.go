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

// Unmapped returns the IPv4 network for a network of IPv4-mapped IPv6 addresses,
// 10.0.0.0/8 for ::ffff:10.0.0.0/104, because addresses are compared as IPv4. It returns
// other networks unchanged.
func Unmapped(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network
}
