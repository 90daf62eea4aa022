package limit

import (
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/postern-ca/postern/issuance"
)

// Connections limits the connections of one listener, in total and for each address. At
// a limit, quiet connections are closed: idle ones, and those on which no complete request
// has arrived. The addresses that have most lose theirs first, and of these the ones that
// have been quiet for longest; an address that has fewer than the new connection's would
// have loses none. If there are none to close, the listener closes a connection of an
// address that has several times as many as the new one; otherwise it refuses the new
// connection. Its zero value has no limits.
type Connections struct {
	Name  string // of the listener, in the log
	Most  int    // 0: no limit
	OfOne int    // of an IPv4 address or an IPv6 /64; 0: no limit
	// Exempt are addresses without a limit, proxies for example, because they carry many people.
	Exempt []netip.Prefix
	Log    *slog.Logger // nil: nothing is logged

	turn   atomic.Uint64 // rises each time that a connection falls quiet
	quiet  atomic.Int64  // never less than the number of those that are quiet
	said   occasion
	failed occasion

	mu                sync.Mutex
	open              int
	limited, exempted groups
	stats             ConnectionStats
}

// ConnectionStats counts a listener's connections.
type ConnectionStats struct {
	Open  int
	Quiet int // of these: idle, or without a complete request
	// Evicted and Refused are those closed because of the limit of an address, and of
	// the listener: quiet ones for newer ones, and new ones.
	EvictedOfOne, EvictedOfAll uint64
	RefusedOfOne, RefusedOfAll uint64
	Cut                        uint64 // while they were being answered, for another address
	Failed                     uint64 // that the system could not accept
}

// Stats returns the counts so far.
func (l *Connections) Stats() ConnectionStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Open, s.Quiet = l.open, int(l.quiet.Load())
	return s
}

// conn is a connection that is counted.
type conn struct {
	net.Conn
	list  *Connections
	group *group
	// quiet is 0 while a request is being served, and otherwise the turn at which
	// the connection fell quiet: the lower, the longer ago; or gone.
	quiet atomic.Uint64
}

// gone is how quiet a connection is that is no longer counted.
const gone = math.MaxUint64

// NetConn returns the connection below, as that of tls.Conn does.
func (c *conn) NetConn() net.Conn { return c.Conn }

// CloseWrite is what http.Server calls before it closes a connection from which it has
// not read everything, so that the client gets the answer rather than a reset.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection and no longer counts it.
func (c *conn) Close() error {
	c.list.mu.Lock()
	c.list.remove(c)
	c.list.mu.Unlock()
	return c.Conn.Close()
}

// State is for http.Server's ConnState.
func (l *Connections) State(of net.Conn, state http.ConnState) {
	for {
		switch c := of.(type) {
		case *conn:
			switch state {
			case http.StateActive:
				c.fall(0)
			case http.StateIdle:
				c.fall(l.turn.Add(1))
			}
			return
		case interface{ NetConn() net.Conn }:
			of = c.NetConn()
		default:
			return
		}
	}
}

// fall has c be quiet since a turn, or busy at 0. The numbers of quiet ones are at no
// moment too low, so that none is overlooked.
func (c *conn) fall(turn uint64) {
	if turn > 0 {
		c.countQuiet(1)
	}
	before := c.quiet.Load()
	for before != gone && !c.quiet.CompareAndSwap(before, turn) {
		before = c.quiet.Load()
	}
	if before == gone && turn > 0 || before > 0 && before != gone {
		c.countQuiet(-1)
	}
}

func (c *conn) countQuiet(n int64) {
	c.list.quiet.Add(n)
	c.group.quiet.Add(n)
}

// admit counts a connection, and closes others for it where a limit is reached.
// It returns nil if there is no room.
func (l *Connections) admit(from net.Conn) net.Conn {
	c := &conn{Conn: from, list: l}
	c.quiet.Store(l.turn.Add(1))
	l.mu.Lock()
	c.group = l.groupOf(from.RemoteAddr())
	evicted, ok := l.makeRoom(c.group)
	if ok {
		l.add(c)
	}
	stats := l.stats
	l.mu.Unlock()
	for _, old := range evicted {
		_ = old.Conn.Close() // it is given up whatever that says
	}
	if !ok || len(evicted) > 0 {
		l.say(stats, from.RemoteAddr())
	}
	if !ok {
		return nil
	}
	return c
}

func (l *Connections) add(c *conn) {
	l.open++
	c.countQuiet(1)
	l.groupsOf(c.group.exempt).add(c.group, c)
}

// remove takes c off the list, if it is still on it.
func (l *Connections) remove(c *conn) {
	if _, ok := c.group.conns[c]; !ok {
		return
	}
	l.open--
	l.groupsOf(c.group.exempt).remove(c.group, c)
	if c.quiet.Swap(gone) > 0 {
		c.countQuiet(-1)
	}
}

func (l *Connections) groupsOf(exempt bool) *groups {
	if exempt {
		return &l.exempted
	}
	return &l.limited
}

// groupOf returns what a connection from an address counts for.
func (l *Connections) groupOf(remote net.Addr) *group {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return l.exempted.get(netip.Prefix{}, true)
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	exempt := slices.ContainsFunc(l.Exempt, func(p netip.Prefix) bool { return p.Contains(address) })
	return l.groupsOf(exempt).get(issuance.NetworkOf(address), exempt)
}
