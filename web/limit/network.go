package limit

import "net/netip"

// Unmapped returns the IPv4 network for a network of IPv4-mapped IPv6 addresses,
// 10.0.0.0/8 for ::ffff:10.0.0.0/104, because addresses are compared as IPv4. It returns
// other networks unchanged.
func Unmapped(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network
}
