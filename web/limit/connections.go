package limit

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Connections limits the connections of one listener, in total and for each address. At
// a limit, the connections that have been quiet for longest are closed: idle ones, and
// those on which no complete request has arrived. If there are none, the listener closes
// a connection of an address that has several times as many as the new one; otherwise it
// refuses the new connection. The work is done when a connection opens and closes, not
// for each request. Its zero value has no limits.
type Connections struct {
	Name   string // of the listener, in the log
	Most   int    // 0: no limit
	OfOne  int    // of an IPv4 address or an IPv6 /64; 0: no limit
	Exempt []netip.Prefix
	Log    *slog.Logger // nil: nothing is logged

	turn   atomic.Uint64 // rises each time that a connection falls quiet
	said   occasion
	failed occasion

	mu    sync.Mutex
	all   map[*conn]struct{}
	of    map[netip.Prefix]map[*conn]struct{}
	stats ConnectionStats
}

// ConnectionStats counts a listener's connections.
type ConnectionStats struct {
	Open int
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
	s.Open = len(l.all)
	return s
}

// conn is a connection that is counted.
type conn struct {
	net.Conn
	list    *Connections
	network netip.Prefix // zero: of an exempt address
	// quiet is 0 while a request is being served, and otherwise the turn at which
	// the connection fell quiet: the lower, the longer ago.
	quiet atomic.Uint64
}

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
				c.quiet.Store(0)
			case http.StateIdle:
				c.quiet.Store(l.turn.Add(1))
			}
			return
		case interface{ NetConn() net.Conn }:
			of = c.NetConn()
		default:
			return
		}
	}
}

// admit counts a connection, and closes quiet ones for it where a limit is reached.
// It returns nil if there is no room.
func (l *Connections) admit(from net.Conn) net.Conn {
	c := &conn{Conn: from, list: l, network: l.networkOf(from.RemoteAddr())}
	c.quiet.Store(l.turn.Add(1))
	l.mu.Lock()
	evicted, ok := l.makeRoom(c.network)
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

// makeRoom takes quiet connections off the list where there is no room for one more
// of network. The caller closes them, even if there is no room.
func (l *Connections) makeRoom(network netip.Prefix) (evicted []*conn, ok bool) {
	if of := l.of[network]; network.IsValid() && l.OfOne > 0 && len(of) >= l.OfOne {
		evicted = l.evict(of, l.OfOne)
		if l.stats.EvictedOfOne += uint64(len(evicted)); len(evicted) == 0 {
			l.stats.RefusedOfOne++
			return nil, false
		}
	}
	if l.Most > 0 && len(l.all) >= l.Most {
		more := l.evict(l.all, l.Most)
		l.stats.EvictedOfAll += uint64(len(more))
		if len(more) == 0 {
			more = l.cut(network)
			l.stats.Cut += uint64(len(more))
		}
		if len(more) == 0 {
			l.stats.RefusedOfAll++
			return evicted, false
		}
		evicted = append(evicted, more...)
	}
	return evicted, true
}

// evict removes from a list those that have been quiet for longest: a sixteenth of the
// limit at once, so that in a flood the whole list is not searched for each connection.
func (l *Connections) evict(list map[*conn]struct{}, limit int) []*conn {
	type silent struct {
		c     *conn
		since uint64
	}
	var quiet []silent
	for c := range list {
		if since := c.quiet.Load(); since > 0 {
			quiet = append(quiet, silent{c, since})
		}
	}
	slices.SortFunc(quiet, func(a, b silent) int { return cmp.Compare(a.since, b.since) })
	var out []*conn
	for _, s := range quiet[:min(len(quiet), max(1, limit/16))] {
		l.remove(s.c)
		out = append(out, s.c)
	}
	return out
}

// cut takes connections that are being answered off the list: some of those of the
// address that has most, if it has more than four times as many as network would have.
func (l *Connections) cut(network netip.Prefix) (out []*conn) {
	var most map[*conn]struct{}
	for _, of := range l.of {
		if len(of) > len(most) {
			most = of
		}
	}
	if len(most) <= 4*(len(l.of[network])+1) {
		return nil
	}
	for c := range most {
		if out = append(out, c); len(out) > len(most)/16 {
			break
		}
	}
	for _, c := range out {
		l.remove(c)
	}
	return out
}

func (l *Connections) add(c *conn) {
	if l.all == nil {
		l.all, l.of = make(map[*conn]struct{}), make(map[netip.Prefix]map[*conn]struct{})
	}
	l.all[c] = struct{}{}
	if c.network.IsValid() {
		if l.of[c.network] == nil {
			l.of[c.network] = make(map[*conn]struct{})
		}
		l.of[c.network][c] = struct{}{}
	}
}

func (l *Connections) remove(c *conn) {
	delete(l.all, c)
	delete(l.of[c.network], c)
	if len(l.of[c.network]) == 0 {
		delete(l.of, c.network)
	}
}

// networkOf returns what a connection from an address counts for, the zero prefix
// for the listener alone.
func (l *Connections) networkOf(remote net.Addr) netip.Prefix {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	for _, p := range l.Exempt {
		if p.Contains(address) {
			return netip.Prefix{}
		}
	}
	return Network(address)
}
