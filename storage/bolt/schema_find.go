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
	entries, _, err := findEntries(b, tb, nil, -1)
	if err != nil {
		return err
	}
	return putEntries(b, tb.name+findSuffix, entries)
}

// pair is a key of a bucket, and its value.
type pair struct{ key, value []byte }

// findEntries returns the entries, in their order, of up to most records of tb, all
// if that is negative, from the key from on, and the key of the record behind them.
func findEntries[R any](b *bbolt.Tx, tb table[R], from []byte, most int) (out []pair, next []byte, err error) {
	c := b.Bucket([]byte(tb.name)).Cursor()
	k, v := c.Seek(from)
	for ; k != nil && most != 0; most-- {
		r, err := tb.decode(v)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range tb.index(r) {
			if bucket, key := tb.place(e); bucket == tb.name+findSuffix {
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

// prepare makes, for a file that has not seen makeFindable, the entries of its
// certificates in many transactions: one for a million would take a gigabyte of
// memory. What it writes is in a bucket that older programs do not look at, and
// each call begins anew, so it may be interrupted, and the file still belongs to
// the program that wrote it.
func prepare(db *bbolt.DB, log *slog.Logger, steps []migration) error {
	have := uint64(0)
	err := db.View(func(b *bbolt.Tx) error {
		if meta := b.Bucket([]byte(metaBucket)); meta != nil {
			have = number(meta.Get([]byte(schemaKey)))
		}
		return nil
	})
	if err != nil || have == 0 || have >= findSchema || len(steps) < findSchema {
		return err
	}
	size := batch{records: 200_000, entries: 50_000, run: runLength}
	if err = findCertificates(db, log, size); err == nil {
		err = findByClues(db, size)
	}
	if err != nil {
		return fmt.Errorf("preparing the database for schema version %d: %w", findSchema, err)
	}
	return nil
}

// findCertificates makes the entries to find certificates by.
func findCertificates(db *bbolt.DB, log *slog.Logger, size batch) error {
	certificates := newTables().certificates
	bucket := certificates.name + findSuffix
	if err := db.Update(func(b *bbolt.Tx) error { return renewBucket(b, bucket) }); err != nil {
		return err
	}
	var next []byte
	for done := size.records; ; done += size.records {
		var entries []pair
		err := db.View(func(b *bbolt.Tx) (err error) {
			entries, next, err = findEntries(b, certificates, next, size.records)
			return err
		})
		for part := range slices.Chunk(entries, size.entries) {
			err = first(err, db.Update(func(b *bbolt.Tx) error { return putEntries(b, bucket, part) }))
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
