package issuance

import (
	"cmp"
	"context"
	"net/netip"
)

// Origin is where a request came from: whatever comes of it has it in its audit
// records. The zero Origin is that of what Postern does by itself.
type Origin struct {
	// Address is the client's network address, behind trusted proxies the one that
	// they name. It is personal data.
	Address string `json:"address,omitempty"`
	Request string `json:"request,omitempty"` // the id that the request has in the log, made by us
}

type originKey struct{}

// WithOrigin returns a context for what comes of a request from o. Nothing is
// decided by it: it is written down, and for that alone it travels in a context.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns where the request came from that ctx belongs to.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// ServerOrigin is what stands in the place of an address for what Postern did by
// itself.
const ServerOrigin = "server"

// Whence returns the address that r came from, ServerOrigin if Postern did it by
// itself, and "" if that was not recorded, as in records from before it was.
func (r AuditRecord) Whence() string {
	if r.Actor.Role == RoleSystem {
		return cmp.Or(r.Address, ServerOrigin)
	}
	return r.Address
}

// NetworkOf returns the network that address counts for wherever something is counted: an
// IPv4 address itself, and the /64 of an IPv6 one, because a host has a /64 of addresses to
// send from. It is the zero prefix if address is not one.
func NetworkOf(address netip.Addr) netip.Prefix {
	bits := 32
	if address = address.Unmap(); address.Is6() {
		bits = 64
	}
	network, _ := address.WithZone("").Prefix(bits)
	return network
}
