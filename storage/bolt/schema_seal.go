package bolt

import (
	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// sealAgain seals what is in b with the first key of r, after it has changed: some of
// it is kept for good, and the old key is not. What does not open stays as it is.
func sealAgain(b *bbolt.Bucket, r *seal.Ring) error {
	again := make(map[string][]byte)
	err := b.ForEach(func(k, old []byte) error {
		ref, ok := refOf(k)
		if !ok || r.Fresh(old) {
			return nil
		}
		secret, err := r.Open(ref, old)
		if err != nil {
			return nil //nolint:nilerr // nobody can read it with any key
		}
		again[string(k)], err = r.Seal(ref, secret)
		return err
	})
	if err != nil {
		return err
	}
	for k, sealed := range again {
		if err := b.Put([]byte(k), sealed); err != nil {
			return err
		}
	}
	return nil
}

// refOf returns what secretKey made key of.
func refOf(key []byte) (ref issuance.SecretRef, ok bool) {
	if len(key) < 2 || key[0] != byte(byAll) {
		return ref, false
	}
	kind, key, ok := cutValue(key[1:])
	if !ok {
		return ref, false
	}
	owner, rest, ok := cutValue(key)
	return issuance.SecretRef{Kind: issuance.SecretKind(kind), Owner: owner}, ok && len(rest) == 0
}
