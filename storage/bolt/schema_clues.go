package bolt

import (
	"bytes"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// findByClues makes runs of all certificates that a file has from before there were
// any. It may be interrupted, as a filling may.
func findByClues(db *bbolt.DB, size batch) error {
	err := db.Update(func(b *bbolt.Tx) error { return first(renewBucket(b, runsBucket), renewBucket(b, cluesBucket)) })
	if err != nil {
		return err
	}
	for from, more := []byte(nil), true; more; more = from != nil {
		var clues []clue
		if err := db.View(func(b *bbolt.Tx) (err error) {
			clues, from, err = cluesFrom(b, from, size.entries)
			return err
		}); err != nil {
			return err
		}
		if err := db.Update(func(b *bbolt.Tx) error { return putRuns(b, clues, size.run) }); err != nil {
			return err
		}
	}
	return nil
}

// putRuns writes clues as runs of up to length.
func putRuns(b *bbolt.Tx, clues []clue, length int) error {
	for run := range slices.Chunk(clues, length) {
		if err := putRun(b, run); err != nil {
			return err
		}
	}
	return nil
}

// cluesFrom returns the clues to up to most certificates, from the serial number from
// on, and the serial number behind them.
func cluesFrom(b *bbolt.Tx, from []byte, most int) (out []clue, next []byte, err error) {
	certificates := newTables().certificates
	c := b.Bucket([]byte(certificates.name)).Cursor()
	k, v := c.Seek(from)
	for ; k != nil && most > 0; most-- {
		r, err := certificates.decode(v)
		if err != nil {
			return nil, nil, err
		}
		if r.Status != issuance.Abandoned {
			out = append(out, clueOf(r))
		}
		k, v = c.Next()
	}
	return out, bytes.Clone(k), nil
}
