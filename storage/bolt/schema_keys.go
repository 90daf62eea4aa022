package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// keySchema is the version of the schema that has the marks of certificates' keys.
const keySchema = 3

// markKeys is the step to it. The entries are there already if prepare has made
// them. The keys that were compromised before get their marks: what is kept of
// them is the digest of a key with its exponent.
func markKeys(b *bbolt.Tx) error {
	certificates := newTables().certificates
	if _, err := b.CreateBucketIfNotExists([]byte(certificates.name + keySuffix)); err != nil {
		return err
	}
	to := b.Bucket([]byte(compromised))
	if first, _ := to.Cursor().First(); first == nil {
		return nil
	}
	revoked := prefix(byState, issuance.Revoked)
	c := b.Bucket([]byte(certificates.name + indexSuffix)).Cursor()
	for k, serial := c.Seek(revoked); bytes.HasPrefix(k, revoked); k, serial = c.Next() {
		r, err := certificates.decode(b.Bucket([]byte(certificates.name)).Get(serial))
		if err != nil {
			return err
		}
		if mark := r.Mark(); r.Reason == issuance.KeyCompromise && mark != "" {
			if err := to.Put([]byte(mark), []byte{1}); err != nil {
				return err
			}
		}
	}
	return nil
}
