package bolt

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// Buckets that code outside of the tables names.
const (
	metaBucket    = "meta"
	changesBucket = "changes"     // revocations by Seq
	numbersBucket = "crl-numbers" // by issuer
	secretsBucket = "secrets"     // sealed
	ordersBucket  = "orders"      // and, behind each order, index entries of what belongs to it
	compromised   = "compromised" // marks of public keys; of before schema version 3, digests of them
	totalsBucket  = "totals"      // how many certificates, by status and the hour of their end
)

// The keys of the meta bucket.
const (
	schemaKey = "schema"
	clockKey  = "clock"
	markKey   = "clock-mark"
	sealKey   = "seal" // a known secret, sealed, to know the right keys by
	chainKey  = "audit-head"
)

// migration takes the database from one version of the schema to the next.
type migration func(*bbolt.Tx) error

// migrations returns the steps from an empty file to the schema of this program,
// whose version is their number. A step is never changed after it was released.
func migrations() []migration {
	return []migration{
		func(b *bbolt.Tx) error {
			return makeBuckets(b,
				changesBucket, numbersBucket, secretsBucket, compromised,
				"organizations", "organizations.index", "contacts", "contacts.index",
				"services", "services.index", ordersBucket, "orders.index",
				"certificates", "certificates.index", "revocations", "revocations.index",
				"notices", "notices.index", "tokens", "tokens.index",
				"audit", "audit.index", "receipts", "receipts.index", "usages", "usages.index",
				totalsBucket, "reports")
		},
		makeFindable,
		markKeys,
		makeProposals,
		listRevoked,
		listByEnd,
		beginChain,
	}
}

func makeBuckets(b *bbolt.Tx, names ...string) error {
	for _, name := range names {
		if _, err := b.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// migrate runs the steps that the file has not seen, all in one transaction: a
// step that fails leaves the file as it was.
func migrate(db *bbolt.DB, steps []migration, o Options) error {
	return db.Update(func(b *bbolt.Tx) error {
		if o.Existing && b.Bucket([]byte(metaBucket)) == nil {
			return damagedError(o.Path, "has none of Postern's tables", hintRestore)
		}
		meta, err := b.CreateBucketIfNotExists([]byte(metaBucket))
		if err != nil {
			return fmt.Errorf("reading the schema version: %w", err)
		}
		have := number(meta.Get([]byte(schemaKey)))
		if o.Existing && have == 0 {
			return damagedError(o.Path, "has no schema version", hintRestore)
		}
		want := uint64(len(steps))
		if have > want {
			return &issuance.Error{
				Kind: issuance.Conflict, Code: issuance.CodeState,
				Message: fmt.Sprintf("the database has schema version %d, but this program supports versions up to %d", have, want),
				Hint:    "run the newer postern that wrote it, or restore the backup from before the update",
			}
		}
		for v := have; v < want; v++ {
			if err := steps[v](b); err != nil {
				return fmt.Errorf("migrating the database to schema version %d: %w", v+1, err)
			}
		}
		return meta.Put([]byte(schemaKey), binary.BigEndian.AppendUint64(nil, want))
	})
}

// number reads what AppendUint64 wrote; 0 for nothing.
func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
