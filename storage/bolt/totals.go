package bolt

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// The totals are kept as certificates are put: one number for each status and
// hour in which certificates end. Two years have some 17,500 hours, so they are
// added up in a millisecond, however many certificates there are.

// totalKey returns where c is counted, nil if it is not.
func totalKey(c issuance.Certificate) []byte {
	if c.Status == issuance.Abandoned {
		return nil
	}
	return entry(byState, instant(c.NotAfter.Truncate(time.Hour)), c.Status)
}

// recount takes was, which may be zero, out of the totals, and counts is.
func (t *tx) recount(was, is issuance.Certificate) error {
	from, to := totalKey(was), totalKey(is)
	if bytes.Equal(from, to) {
		return nil
	}
	if err := t.addTotal(from, -1); err != nil {
		return err
	}
	return t.addTotal(to, 1)
}

func (t *tx) addTotal(key []byte, n int) error {
	if key == nil {
		return nil
	}
	raw, err := t.get(totalsBucket, key)
	if err := ignoreNotFound(err); err != nil {
		return err
	}
	sum := number(raw) + uint64(n) // n may be -1
	if sum == 0 {
		return t.delete(totalsBucket, key)
	}
	return t.put(totalsBucket, key, binary.BigEndian.AppendUint64(nil, sum))
}

func (t *tx) Totals(now time.Time) (out issuance.Totals, err error) {
	b, err := t.bucket(totalsBucket)
	if err != nil {
		return out, err
	}
	hour := instant(now.Truncate(time.Hour))
	for _, s := range []struct {
		status        issuance.Status
		past, present *uint64
	}{
		{issuance.Active, &out.Expired, &out.Active},
		{issuance.Held, &out.Expired, &out.Held},
		{issuance.Revoked, &out.Revoked, &out.Revoked},
	} {
		head, c := prefix(byState, s.status), b.Cursor()
		for k, v := c.Seek(head); bytes.HasPrefix(k, head); k, v = c.Next() {
			if bytes.Compare(k[len(head):], hour) < 0 {
				*s.past += number(v)
			} else {
				*s.present += number(v)
			}
		}
	}
	return out, nil
}
