package issuance

import "net"

// IsLoopback reports whether host, a name or address without a port, is this
// machine: what is sent there needs no TLS.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
