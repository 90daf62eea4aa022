package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/postern-ca/postern/issuance"
)

// revocationEntry is the entry of a certificate that is held or revoked; nil for
// any other. It has all that a CRL tells, so that nobody reads a record to make
// one, and it cannot say anything else than the record that it is made from:
//
//	issuer | serial number, 0 | NotAfter | ChangedAt | status, 0 | reason
func revocationEntry(r issuance.Certificate) []byte {
	if r.Status != issuance.Held && r.Status != issuance.Revoked {
		return nil
	}
	place := append([]byte(r.Serial), 0)
	place = append(place, instant(r.NotAfter)...)
	place = append(place, instant(r.ChangedAt)...)
	place = append(append(place, r.Status...), 0)
	return entry(byRevocation, append(place, r.Reason...), r.Issuer)
}

// readRevocation is the inverse of revocationEntry for what stands behind the issuer.
func readRevocation(issuer string, place []byte) (r issuance.Revocation, ok bool) {
	serial, rest, ok := bytes.Cut(place, []byte{0})
	if !ok || len(rest) < 2*instantLength {
		return r, false
	}
	status, reason, ok := bytes.Cut(rest[2*instantLength:], []byte{0})
	return issuance.Revocation{
		Serial: issuance.Serial(serial), Issuer: issuer, Status: issuance.Status(status), Reason: issuance.Reason(reason),
		NotAfter: timeOf(rest), At: timeOf(rest[instantLength:]),
	}, ok
}

// AppendRevocation implements [issuance.Feed].
func (t *tx) AppendRevocation(r issuance.Revocation) error {
	var err error
	if r.Seq, err = t.sequence(changesBucket); err != nil {
		return err
	}
	own(reflect.ValueOf(&r).Elem())
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing a revocation: %w", err)
	}
	return t.put(changesBucket, binary.BigEndian.AppendUint64(nil, r.Seq), raw)
}

// Revocations implements [issuance.FeedReader]. It reads nothing but an index.
func (t *tx) Revocations(issuer string, f func(issuance.Revocation) error) error {
	bucket, head := t.s.tables.certificates.spot(prefix(byRevocation, issuer))
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	c := b.Cursor()
	for k, _ := c.Seek(head); bytes.HasPrefix(k, head); {
		r, ok := readRevocation(issuer, k[len(head):])
		if !ok {
			return fmt.Errorf("the index of revoked certificates has an entry that cannot be read, %x", k)
		}
		last, writes := k, t.writes
		if err := f(r); err != nil {
			return err
		}
		if t.writes == writes {
			k, _ = c.Next()
		} else { // a write may have moved what the cursor stands on
			k, _ = c.Seek(append(slices.Clone(last), 0))
		}
	}
	return nil
}

func (t *tx) Changes(since uint64, limit int) ([]issuance.Revocation, error) {
	b, err := t.bucket(changesBucket)
	if err != nil {
		return nil, err
	}
	var out []issuance.Revocation
	c := b.Cursor()
	k, v := c.Seek(binary.BigEndian.AppendUint64(nil, since))
	if number(k) == since && k != nil {
		k, v = c.Next()
	}
	for ; k != nil && len(out) < limit; k, v = c.Next() {
		var r issuance.Revocation
		if err := json.Unmarshal(v, &r); err != nil {
			return nil, fmt.Errorf("reading a change: %w", err)
		}
		out = append(out, r)
	}
	return out, nil
}

func (t *tx) LastChange() (uint64, error) {
	b, err := t.bucket(changesBucket)
	if err != nil {
		return 0, err
	}
	return b.Sequence(), nil
}

func (t *tx) NextCRLNumber(issuer string) (uint64, error) {
	key := prefix(byAll, issuer)
	old, err := t.get(numbersBucket, key)
	if ignoreNotFound(err) != nil {
		return 0, err
	}
	next := number(old) + 1
	return next, t.put(numbersBucket, key, binary.BigEndian.AppendUint64(nil, next))
}
