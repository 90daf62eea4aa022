package bolt

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"

	"go.etcd.io/bbolt"
)

// findSchema is the version of the schema that has entries to find records by.
const findSchema = 2

// makeFindable is the step to it. The entries of certificates, of which there may
// be a million, are there already if prepare has made them; those of the others it makes.
func makeFindable(b *bbolt.Tx) error {
	for _, name := range []string{"organizations", "contacts", "services", "certificates"} {
		if _, err := b.CreateBucketIfNotExists([]byte(name + findSuffix)); err != nil {
			return err
		}
	}
	for _, name := range []string{cluesBucket, runsBucket} {
		if _, err := b.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	tables := newTables()
	return first(findable(b, tables.organizations), findable(b, tables.contacts), findable(b, tables.services))
}

// findable makes the entries to find the records of tb by.
func findable[R any](b *bbolt.Tx, tb table[R]) error {
	bucket := tb.name + findSuffix
	entries, _, err := findEntries(b, tb, bucket, nil, -1)
	if err != nil {
		return err
	}
	return putEntries(b, bucket, entries)
}

// pair is a key of a bucket, and its value.
type pair struct{ key, value []byte }

// findEntries returns the entries into a bucket, in their order, of up to most records of tb,
// all if that is negative, from the key from on, and the key of the record behind them.
func findEntries[R any](b *bbolt.Tx, tb table[R], into string, from []byte, most int) (out []pair, next []byte, err error) {
	c := b.Bucket([]byte(tb.name)).Cursor()
	k, v := c.Seek(from)
	for ; k != nil && most != 0; most-- {
		r, err := tb.decode(v)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range tb.index(r) {
			if bucket, key := tb.place(e); bucket == into {
				out = append(out, pair{key, bytes.Clone(k)})
			}
		}
		k, v = c.Next()
	}
	slices.SortFunc(out, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	return out, bytes.Clone(k), nil
}

// place is spot, and nothing for no entry.
func (tb table[R]) place(entry []byte) (bucket string, key []byte) {
	if entry == nil {
		return "", nil
	}
	return tb.spot(entry)
}

func putEntries(b *bbolt.Tx, bucket string, entries []pair) error {
	to := b.Bucket([]byte(bucket))
	for _, e := range entries {
		if err := to.Put(e.key, e.value); err != nil {
			return err
		}
	}
	return nil
}

// batch is how much of the migration is done at a time: what is held in memory,
// and what one transaction writes, are bounded by it.
type batch struct{ records, entries, run int }

// prepared are the buckets of certificates that a file gets with a version of the
// schema, and that are filled before.
func prepared() []filling {
	name := newTables().certificates.name
	return []filling{{findSchema, name + findSuffix}, {keySchema, name + keySuffix}, {endSchema, name + endSuffix}}
}

// filling is a bucket that comes with a version of the schema.
type filling struct {
	schema uint64
	bucket string
}

// prepare fills, for a file of an older schema, the buckets of its certificates in
// many transactions: one for a million would take a gigabyte of memory. What it
// writes is in buckets that older programs do not look at, and each call begins
// anew, so it may be interrupted, and the file still belongs to the program that wrote it.
func prepare(db *bbolt.DB, log *slog.Logger, steps []migration) error {
	have := uint64(0)
	err := db.View(func(b *bbolt.Tx) error {
		if meta := b.Bucket([]byte(metaBucket)); meta != nil {
			have = number(meta.Get([]byte(schemaKey)))
		}
		return nil
	})
	if err != nil || have == 0 {
		return err
	}
	size := batch{records: 200_000, entries: 50_000, run: runLength}
	for _, f := range prepared() {
		if have >= f.schema || uint64(len(steps)) < f.schema {
			continue
		}
		if err := f.fill(db, log, size); err != nil {
			return fmt.Errorf("preparing the database for schema version %d: %w", f.schema, err)
		}
	}
	if have >= findSchema || len(steps) < findSchema {
		return nil
	}
	if err := findByClues(db, size); err != nil {
		return fmt.Errorf("preparing the database for schema version %d: %w", findSchema, err)
	}
	return nil
}

// fill makes the entries of certificates in f's bucket.
func (f filling) fill(db *bbolt.DB, log *slog.Logger, size batch) error {
	certificates := newTables().certificates
	if err := db.Update(func(b *bbolt.Tx) error { return renewBucket(b, f.bucket) }); err != nil {
		return err
	}
	var next []byte
	for done := size.records; ; done += size.records {
		var entries []pair
		err := db.View(func(b *bbolt.Tx) (err error) {
			entries, next, err = findEntries(b, certificates, f.bucket, next, size.records)
			return err
		})
		for part := range slices.Chunk(entries, size.entries) {
			err = first(err, db.Update(func(b *bbolt.Tx) error { return putEntries(b, f.bucket, part) }))
		}
		if err != nil || next == nil {
			return err
		}
		log.Info("making certificates findable, once, after an update", "done", done)
	}
}

// renewBucket makes a bucket, in place of the one that there may be.
func renewBucket(b *bbolt.Tx, name string) error {
	if b.Bucket([]byte(name)) != nil {
		if err := b.DeleteBucket([]byte(name)); err != nil {
			return err
		}
	}
	_, err := b.CreateBucket([]byte(name))
	return err
}
