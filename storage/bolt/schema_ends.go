package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// endSchema is the version of the schema that has the lists by when certificates
// end in a bucket of their own, those of one second in the order of their issuance.
const endSchema = 6

// listByEnd is the step to it. The lists are there already if prepare has made them.
// It deletes the entries that were in the bucket of the other lists.
func listByEnd(b *bbolt.Tx) error {
	name := newTables().certificates.name
	if _, err := b.CreateBucketIfNotExists([]byte(name + endSuffix)); err != nil {
		return err
	}
	old := b.Bucket([]byte(name + indexSuffix))
	for _, t := range []tag{byExpiry, byNeed} {
		c := old.Cursor()
		for k, _ := c.Seek([]byte{byte(t)}); bytes.HasPrefix(k, []byte{byte(t)}); {
			k = bytes.Clone(k)
			if err := old.Delete(k); err != nil {
				return err
			}
			k, _ = c.Seek(k) // from the first on, it would pass all leaves that are empty by now
		}
	}
	return nil
}
