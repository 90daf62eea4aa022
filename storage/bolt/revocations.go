package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// revocationKey sorts by issuer, then by serial number.
func revocationKey(r issuance.Revocation) []byte {
	return append(prefix(byAll, r.Issuer), r.Serial...)
}

func revocationIndex(r issuance.Revocation) [][]byte {
	return [][]byte{entry[string](byTime, append(instant(r.NotAfter), revocationKey(r)...))}
}

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
	if err := t.put(changesBucket, binary.BigEndian.AppendUint64(nil, r.Seq), raw); err != nil {
		return err
	}
	if r.Status != issuance.Active {
		return t.s.tables.revocations.put(t, r)
	}
	old, err := t.s.tables.revocations.get(t, revocationKey(r))
	if err != nil {
		return ignoreNotFound(err)
	}
	return t.s.tables.revocations.remove(t, old)
}

func (t *tx) Revocations(issuer string, f func(issuance.Revocation) error) error {
	b, err := t.bucket(t.s.tables.revocations.name)
	if err != nil {
		return err
	}
	head := prefix(byAll, issuer)
	c := b.Cursor()
	for k, v := c.Seek(head); bytes.HasPrefix(k, head); {
		r, err := t.s.tables.revocations.decode(v)
		if err != nil {
			return err
		}
		writes := t.writes
		if err := f(r); err != nil {
			return err
		}
		if t.writes == writes {
			k, v = c.Next()
		} else { // a write may have moved what the cursor stands on
			k, v = c.Seek(after(revocationKey(r)))
		}
	}
	return nil
}

func (t *tx) ForgetRevocations(before time.Time, limit int) (int, error) {
	q := query{prefixes: [][]byte{prefix[string](byTime)}, before: instant(before)}
	expired, err := t.s.tables.revocations.take(t, q, limit)
	if err != nil {
		return 0, err
	}
	for _, r := range expired {
		r.Status, r.Reason = issuance.Active, ""
		if err := t.AppendRevocation(r); err != nil {
			return 0, err
		}
	}
	return len(expired), nil
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
		r, err := t.s.tables.revocations.decode(v)
		if err != nil {
			return nil, err
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
