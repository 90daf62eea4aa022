package limit

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"sync/atomic"
)

// group is the connections of one network.
type group struct {
	network netip.Prefix
	exempt  bool // from the limit of an address
	conns   map[*conn]struct{}
	quiet   atomic.Int64 // never less than the number of those that are quiet
}

// silent is a quiet connection.
type silent struct {
	*conn
	since uint64 // the turn at which it fell quiet
	share int    // what its network would have to its name with it
}

// silent returns the quiet connections of g, those that have been quiet for longest first.
func (g *group) silent() (out []silent) {
	if g.quiet.Load() == 0 {
		return nil
	}
	for c := range g.conns {
		if since := c.quiet.Load(); since > 0 && since != gone {
			out = append(out, silent{conn: c, since: since})
		}
	}
	slices.SortFunc(out, func(a, b silent) int { return cmp.Compare(a.since, b.since) })
	return out
}

// groups are networks, found by name and by size.
type groups struct {
	of map[netip.Prefix]*group
	// bySize has at n those of n connections; the last is not empty.
	bySize []map[*group]struct{}
}

// get returns the group of a network, a new one that is not yet in s if there is none.
func (s *groups) get(network netip.Prefix, exempt bool) *group {
	if g := s.of[network]; g != nil {
		return g
	}
	return &group{network: network, exempt: exempt, conns: make(map[*conn]struct{})}
}

func (s *groups) add(g *group, c *conn) {
	g.conns[c] = struct{}{}
	s.moved(g, len(g.conns)-1)
}

func (s *groups) remove(g *group, c *conn) {
	delete(g.conns, c)
	s.moved(g, len(g.conns)+1)
}

// moved puts g, which had another size before, where it belongs.
func (s *groups) moved(g *group, before int) {
	if s.of == nil {
		s.of = make(map[netip.Prefix]*group)
	}
	size := len(g.conns)
	for len(s.bySize) <= size {
		s.bySize = append(s.bySize, make(map[*group]struct{}))
	}
	delete(s.bySize[before], g)
	if size == 0 {
		delete(s.of, g.network)
	} else {
		s.of[g.network] = g
		s.bySize[size][g] = struct{}{}
	}
	for last := len(s.bySize) - 1; last >= 0 && len(s.bySize[last]) == 0; last-- {
		s.bySize = s.bySize[:last]
	}
}

// from returns the groups of at least so many connections, larger ones first.
func (s *groups) from(least int) iter.Seq[*group] {
	return func(yield func(*group) bool) {
		for n := len(s.bySize) - 1; n >= max(least, 1); n-- {
			for g := range s.bySize[n] {
				if !yield(g) {
					return
				}
			}
		}
	}
}

// most returns one of the largest groups, nil if there is none.
func (s *groups) most() *group {
	for g := range s.from(1) {
		return g
	}
	return nil
}
