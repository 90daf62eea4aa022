package limit

import (
	"cmp"
	"iter"
	"slices"
)

// makeRoom takes connections off the list where there is no room for one more of g.
// The caller closes them, even if there is no room.
func (l *Connections) makeRoom(g *group) (evicted []*conn, ok bool) {
	if !g.exempt && l.OfOne > 0 && len(g.conns) >= l.OfOne {
		evicted = l.take(g.silent(), l.OfOne)
		if l.stats.EvictedOfOne += uint64(len(evicted)); len(evicted) == 0 {
			l.stats.RefusedOfOne++
			return nil, false
		}
	}
	if l.Most > 0 && l.open >= l.Most {
		more, cut := l.give(g)
		l.stats.EvictedOfAll += uint64(len(more))
		l.stats.Cut += uint64(len(cut))
		if evicted = append(append(evicted, more...), cut...); len(more)+len(cut) == 0 {
			l.stats.RefusedOfAll++
			return evicted, false
		}
	}
	return evicted, true
}

// few is how many connections a browser has, or a program that opens one for each
// request. With so many, if that is at most a third of the places, an address may take
// quiet ones as if it came with its first: idle ones of many addresses keep nobody out.
const few = 8

// give takes connections off the list for one more of newcomer, the first of these that
// there are: quiet ones of networks that have more than the newcomer's would have, or of
// its own; those being answered of a network that has a sixteenth of all places; quiet ones
// of networks that have as many as the newcomer's would have; and those being answered of
// the network that has most, if it has several times as many. A network that has less
// loses none: whoever holds many places does not take that of somebody's first connection.
func (l *Connections) give(newcomer *group) (evicted, cut []*conn) {
	would := l.share(newcomer, len(newcomer.conns)+1)
	own, least := newcomer, would
	if would <= min(few, l.Most/3) {
		own, least = nil, 1
	}
	if evicted = l.evict(own, least+1, l.Most); len(evicted) > 0 {
		return evicted, nil
	}
	if cut = l.cut(max(4*would, l.Most/16)); len(cut) > 0 {
		return nil, cut
	}
	if evicted = l.evict(own, least, l.Most); len(evicted) > 0 {
		return evicted, nil
	}
	return nil, l.cut(4 * would)
}

// share returns what n connections of g count for when a place is taken from one
// network for another. An exempt address carries many people, so each of its connections
// counts as if it came from an address of its own, until they have more than half of
// the places.
func (l *Connections) share(g *group, n int) int {
	if g.exempt && n <= l.Most/2 {
		return 1
	}
	return n
}

// evict takes quiet connections off the list for one of newcomer, or of nobody (nil):
// those of the networks that have most, at least so many, and of these the ones that have
// been quiet for longest; or the newcomer's own.
func (l *Connections) evict(newcomer *group, least, limit int) []*conn {
	if l.quiet.Load() == 0 {
		return nil
	}
	var quiet []silent
	for g := range l.larger(least) {
		quiet = append(quiet, l.above(g, least)...)
	}
	if newcomer != nil { // it is smaller
		quiet = append(quiet, ownOf(newcomer)...)
	}
	slices.SortFunc(quiet, func(a, b silent) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.since, b.since))
	})
	return l.take(quiet, limit)
}

// larger returns the groups whose share is at least so many.
func (l *Connections) larger(least int) iter.Seq[*group] {
	return func(yield func(*group) bool) {
		exempt := least
		if least > 1 {
			exempt = max(least, l.Most/2+1)
		}
		for _, all := range []iter.Seq[*group]{l.exempted.from(exempt), l.limited.from(least)} {
			for g := range all {
				if !yield(g) {
					return
				}
			}
		}
	}
}

// above returns the quiet connections that g may lose before it has less than least.
func (l *Connections) above(g *group, least int) []silent {
	quiet := g.silent()
	for i := range quiet {
		if quiet[i].share = l.share(g, len(g.conns)-i); quiet[i].share < least {
			return quiet[:i]
		}
	}
	return quiet
}

// ownOf returns the quiet connections that the newcomer's own network may lose, after
// those of others: one for one, or a sixteenth of them.
func ownOf(newcomer *group) []silent {
	quiet := newcomer.silent()
	return quiet[:min(len(quiet), max(1, len(newcomer.conns)/16))]
}

// take takes the first of some connections off the list: a sixteenth of the limit at
// once, so that a flood does not have the whole list searched for each connection.
func (l *Connections) take(quiet []silent, limit int) (out []*conn) {
	for _, s := range quiet[:min(len(quiet), max(1, limit/16))] {
		l.remove(s.conn)
		out = append(out, s.conn)
	}
	return out
}

// cut takes connections that are being answered off the list: some of the network that
// has most, if that is more than few.
func (l *Connections) cut(few int) (out []*conn) {
	most := l.exempted.most()
	if most == nil || l.share(most, len(most.conns)) <= few {
		most = l.limited.most()
	}
	if most == nil || l.share(most, len(most.conns)) <= few {
		return nil
	}
	for c := range most.conns {
		if out = append(out, c); len(out) > len(most.conns)/16 {
			break
		}
	}
	for _, c := range out {
		l.remove(c)
	}
	return out
}
