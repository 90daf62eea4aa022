package ca

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

// delta is what has changed since a base, which is a full CRL that was published
// (RFC 5280, section 5.2.4). The base is the oldest regular full CRL of which a
// successor may still be in use: every full CRL that has not expired can be
// brought up to date with the delta.
type delta struct {
	edition
	epoch   uint64            // rises when a base is made
	touched map[string]uint64 // the epoch of the last change of a serial number
	bases   []deltaBase       // the oldest first
}

// deltaBase is a full CRL that lists what changed in the epochs before its own.
type deltaBase struct {
	number uint64
	epoch  uint64
	until  time.Time // nextUpdate
}

// deltaName is the name of the delta CRL of issuer in its address.
func deltaName(issuer string) string { return issuer + "-delta" }

func newDelta(issuer string) *delta {
	return &delta{edition: edition{name: deltaName(issuer)}, touched: make(map[string]uint64)}
}

// apply lists change: also that a certificate leaves the full CRL, because it was
// released or has expired.
func (d *delta) apply(change issuance.Revocation, dropReason bool) error {
	encode := appendEntry
	if change.Status != issuance.Held && change.Status != issuance.Revoked {
		encode = func(b []byte, r issuance.Revocation, _ bool) ([]byte, error) {
			return appendReason(b, r, removeFromCRL)
		}
	}
	entry, err := encode(nil, change, dropReason)
	if err != nil {
		return err
	}
	d.put(entry)
	_, serial := entryAt(entry)
	d.touched[string(serial)] = d.epoch
	return nil
}

// nextBase returns the base that a full CRL of the present moment will be, and
// begins its epoch. A base that is never added does no harm.
func (d *delta) nextBase(number uint64, until time.Time) deltaBase {
	d.epoch++
	return deltaBase{number, d.epoch, until}
}

// prune lets bases go that nobody needs at now, with what changed before the next.
// Those of a clock that was ahead last no longer than those that are made now.
func (d *delta) prune(now time.Time, lifetime time.Duration) {
	before := len(d.bases)
	for i, b := range d.bases {
		if latest := now.Add(lifetime); b.until.After(latest) {
			d.bases[i].until = latest
		}
	}
	for len(d.bases) > 1 && now.After(d.bases[1].until) {
		d.bases = d.bases[1:]
	}
	if len(d.bases) == before {
		return
	}
	for serial, epoch := range d.touched {
		if epoch < d.bases[0].epoch {
			d.remove([]byte(serial))
			delete(d.touched, serial)
		}
	}
}
