package bolt

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// listRevoked makes the entries that CRLs are read from, of what the certificates
// themselves say. Before, a table beside them said it: what had been purged from
// that, because the clock was ahead, comes back.
func listRevoked(b *bbolt.Tx) error {
	tb := newTables().certificates
	for _, status := range []issuance.Status{issuance.Held, issuance.Revoked} {
		if err := listRevokedOf(b, tb, status); err != nil {
			return err
		}
	}
	for _, name := range []string{"revocations", "revocations.index"} {
		if b.Bucket([]byte(name)) == nil {
			continue
		}
		if err := b.DeleteBucket([]byte(name)); err != nil {
			return fmt.Errorf("deleting %s: %w", name, err)
		}
	}
	return nil
}

// listRevokedOf makes the entries of those with status.
func listRevokedOf(b *bbolt.Tx, tb table[issuance.Certificate], status issuance.Status) error {
	bucket, head := tb.spot(prefix(byState, status))
	to := b.Bucket([]byte(tb.name + findSuffix))
	c := b.Bucket([]byte(bucket)).Cursor()
	for k, key := c.Seek(head); bytes.HasPrefix(k, head); k, key = c.Next() {
		r, err := tb.decode(b.Bucket([]byte(tb.name)).Get(key))
		if err != nil {
			return err
		}
		e := revocationEntry(r)
		if e == nil {
			continue // the index is wrong about it
		}
		if err := to.Put(e, bytes.Clone(key)); err != nil {
			return err
		}
	}
	return nil
}
