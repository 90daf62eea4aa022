package bolt

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

// checkKey refuses a database whose secrets were sealed with keys that o has not,
// before anything depends on them. With more than one key it seals with the first what
// is not, at each start: versions before this one did not when the key was changed.
func checkKey(db *bbolt.DB, o Options) error {
	if !o.Key.Several() {
		return db.Update(func(b *bbolt.Tx) error { return knowKey(b.Bucket([]byte(metaBucket)), o.Key) })
	}
	var again, lost int
	if err := db.Update(func(b *bbolt.Tx) (err error) {
		if err := knowKey(b.Bucket([]byte(metaBucket)), o.Key); err != nil {
			return err
		}
		if again, lost, err = sealAgain(b.Bucket([]byte(secretsBucket)), o.Key); err != nil {
			return fmt.Errorf("sealing the secrets with the first key: %w", err)
		}
		return nil
	}); err != nil {
		return err
	}
	level := slog.LevelInfo
	if lost > 0 {
		level = slog.LevelWarn
	}
	o.Log.Log(context.Background(), level, "the secrets are sealed with the first key of the key file, except those that no key of it opens",
		"again", again, "unopened", lost)
	return nil
}

// knowKey compares r with the secret that is sealed in meta to know the right keys by,
// and seals that with the first key.
func knowKey(meta *bbolt.Bucket, r *seal.Ring) error {
	ref := issuance.SecretRef{Kind: "check"}
	known := []byte("postern")
	if old := meta.Get([]byte(sealKey)); old != nil {
		got, err := r.Open(ref, old)
		if err != nil || !bytes.Equal(got.Reveal(), known) {
			return issuance.Invalidf("seal.key_file", "this key file does not belong to this database",
				"restore the key file that the database was created with; after a change of keys, it must still contain the old one")
		}
		if r.Fresh(old) {
			return nil
		}
	}
	sealed, err := r.Seal(ref, issuance.NewSecret(known))
	if err != nil {
		return err
	}
	return meta.Put([]byte(sealKey), sealed)
}

// sealAgain seals what is in b with the first key of r, after it has changed: some of
// it is kept for good, and the old key is not. What does not open stays as it is. It
// returns how many it sealed, and how many did not open.
func sealAgain(b *bbolt.Bucket, r *seal.Ring) (sealed, lost int, err error) {
	again := make(map[string][]byte)
	if err := b.ForEach(func(k, old []byte) error {
		if r.Fresh(old) {
			return nil
		}
		ref, ok := refOf(k)
		secret, err := r.Open(ref, old)
		if !ok || err != nil {
			lost++ // nobody can read it with any key
			return nil
		}
		again[string(k)], err = r.Seal(ref, secret)
		return err
	}); err != nil {
		return 0, 0, err
	}
	for k, sealed := range again {
		if err := b.Put([]byte(k), sealed); err != nil {
			return 0, 0, err
		}
	}
	return len(again), lost, nil
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
