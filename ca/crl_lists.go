package ca

import (
	"github.com/postern-ca/postern/issuance"
)

// edition is one of the CRLs that an issuer publishes, as it would be now.
type edition struct {
	crlEntries
	name  string // in its address
	point string // of a shard: its distribution point; empty for CRLs of all certificates
}

// issuerLists are all the CRLs of one issuer: the full one, which lists every
// certificate, and by configuration shards and a delta beside it.
type issuerLists struct {
	issuer Issuer
	full   *edition
	shards map[int][]*edition // by how many there are
	delta  *delta             // nil if there is none
	entry  []byte             // in which one is encoded
}

// newLists returns the CRLs of issuer that p is to publish, all empty.
func (p *Publisher) newLists(issuer Issuer) *issuerLists {
	l := &issuerLists{issuer: issuer, full: &edition{name: issuer.ID}, shards: make(map[int][]*edition)}
	for _, of := range p.Shards {
		l.shards[of] = make([]*edition, of)
		for n := range of {
			name := shardName(issuer.ID, n, of)
			l.shards[of][n] = &edition{name: name, point: p.URLs.CRL(name)}
		}
	}
	if p.Delta {
		l.delta = newDelta(issuer.ID)
	}
	return l
}

// follow has l take the place of before: whatever was published of before is older.
func (l *issuerLists) follow(before *issuerLists) {
	if before == nil {
		return
	}
	versions := make(map[string]uint64)
	for _, e := range before.editions() {
		versions[e.name] = e.version
	}
	for _, e := range l.editions() {
		e.version += versions[e.name] + 1
	}
}

// complete are the CRLs of l that a verifier needs no other for.
func (l *issuerLists) complete() []*edition {
	all := []*edition{l.full}
	for _, shards := range l.shards {
		all = append(all, shards...)
	}
	return all
}

// editions are all the CRLs of l.
func (l *issuerLists) editions() []*edition {
	all := l.complete()
	if l.delta != nil {
		all = append(all, &l.delta.edition)
	}
	return all
}

// listing are the complete CRLs that list serial, if it is revoked.
func (l *issuerLists) listing(serial []byte) []*edition {
	all := make([]*edition, 1, 1+len(l.shards))
	all[0] = l.full
	for of, shards := range l.shards {
		all = append(all, shards[shardOf(serial, of)])
	}
	return all
}

// load puts r, which the store has, into the complete CRLs.
func (l *issuerLists) load(r issuance.Revocation, dropReason bool) error {
	var err error
	if l.entry, err = appendEntry(l.entry[:0], r, dropReason); err != nil {
		return err
	}
	_, serial := entryAt(l.entry)
	for _, e := range l.listing(serial) {
		e.put(l.entry)
	}
	return nil
}

// apply has every CRL say what change says.
func (l *issuerLists) apply(change issuance.Revocation, dropReason bool) error {
	if change.Status == issuance.Held || change.Status == issuance.Revoked {
		if err := l.load(change, dropReason); err != nil {
			return err
		}
	} else {
		serial, err := appendSerial(nil, change.Serial)
		if err != nil {
			return err
		}
		for _, e := range l.listing(serial) {
			e.remove(serial)
		}
	}
	if l.delta == nil {
		return nil
	}
	return l.delta.apply(change, dropReason)
}
