package bolt

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // nothing is protected by it: people have fingerprints of it in hand
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/issuance"
)

// What people have in hand of a certificate, its fingerprints and the end of its
// serial number, is in no order in which certificates are made: as entries of one
// tree, each would be on a page of its own, which the commit would write again. So it
// is written twice, in order both times: first as a clue, behind all other clues, and,
// once there are enough of them, sorted, as a run, which never changes again. Both
// happen in the transaction that puts the certificate. A lookup reads the clues, and
// looks into each run. What it finds are serial numbers: whether a certificate is
// what was sought, its record says.

// The buckets with clues, by a running number, and with the runs that are made of them.
const (
	cluesBucket = "certificates.clues"
	runsBucket  = "certificates.runs"
)

// runLength is how many certificates are in a run. A lookup reads fewer clues than that,
// and a page of each run; making one takes milliseconds, for which writers wait.
const runLength = 1024

// digestLength is how many bytes of a fingerprint are kept. Others hardly ever begin
// like it, and what is found is compared as a whole.
const digestLength = 8

// clue is how the fingerprints of a certificate begin, SHA-256 first, and its serial number.
type clue []byte

func clueOf(r issuance.Certificate) clue {
	out := make(clue, 2*digestLength, 2*digestLength+len(r.Serial))
	copy(out[:digestLength], octets(r.Fingerprint))
	if len(r.DER) > 0 {
		sum := sha1.Sum(r.DER) //nolint:gosec // as above
		copy(out[digestLength:], sum[:])
	}
	return append(out, r.Serial...)
}

func (c clue) serial() []byte { return c[2*digestLength:] }

// by returns what stands in a run under a tag.
func (c clue) by(t tag) []byte {
	switch t {
	case bySHA256:
		return slices.Concat(c[:digestLength], c.serial())
	case bySHA1:
		return c[digestLength:]
	}
	return backwards(c.serial())
}

// serialBy returns the serial number in what by returned.
func serialBy(t tag, b []byte) []byte {
	if t == byEnding {
		return backwards(b)
	}
	return b[digestLength:]
}

// addClue makes r, in place of was, a certificate that is found. Of clues that are
// true no more none is taken back.
func (t *tx) addClue(was, r issuance.Certificate) error {
	known := was.Serial == r.Serial && was.Status != issuance.Abandoned &&
		was.Fingerprint == r.Fingerprint && bytes.Equal(was.DER, r.DER)
	if known || r.Status == issuance.Abandoned {
		return nil
	}
	n, err := t.sequence(cluesBucket)
	if err != nil {
		return err
	}
	if err := t.put(cluesBucket, binary.BigEndian.AppendUint64(nil, n), clueOf(r)); err != nil || n < runLength {
		return err
	}
	return sortClues(t.b)
}

// sortClues makes a run of all clues.
func sortClues(b *bbolt.Tx) error {
	var clues []clue
	c := b.Bucket([]byte(cluesBucket)).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		clues = append(clues, bytes.Clone(v))
	}
	return first(putRun(b, clues), renewBucket(b, cluesBucket))
}

// putRun writes clues as the next run.
func putRun(b *bbolt.Tx, clues []clue) error {
	to := b.Bucket([]byte(runsBucket))
	to.FillPercent = 1 // nothing comes between
	n, err := to.NextSequence()
	if err != nil {
		return err
	}
	for _, t := range []tag{bySHA256, bySHA1, byEnding} {
		entries := make([][]byte, len(clues))
		for i, c := range clues {
			entries[i] = append(runHead(t, n), c.by(t)...)
		}
		slices.SortFunc(entries, bytes.Compare)
		for _, e := range entries {
			if err := to.Put(e, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// runHead is how the entries of a run under a tag begin.
func runHead(t tag, run uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(t)}, run)
}
