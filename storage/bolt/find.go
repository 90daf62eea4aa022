package bolt

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // nothing is protected by it: people have fingerprints of it in hand
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/postern-ca/postern/issuance"
)

// certificateFinders returns the entries by which r is found: whose it is, and the
// mark of its key. What else people find it by are clues.
func certificateFinders(r issuance.Certificate) [][]byte {
	return [][]byte{
		entry(byHolder, newest(r.IssuedAt, r.Serial), r.Contact),
		entry(byKey, []byte(r.Serial), octets(string(r.Mark()))),
		revocationEntry(r),
	}
}

// sought is what somebody has of a certificate.
type sought struct {
	by     tag
	begins []byte // how what stands in a run begins
	is     func(issuance.Certificate) bool
}

// CertificatesWith implements [issuance.Tx].
func (t *tx) CertificatesWith(k issuance.CertificateKey, limit int) ([]issuance.Certificate, error) {
	switch sha256, sum := octets(k.SHA256), octets(k.SHA1); {
	case len(sha256) >= digestLength:
		is := func(r issuance.Certificate) bool { return octets(r.Fingerprint) == sha256 }
		return t.seek(sought{bySHA256, []byte(sha256[:digestLength]), is}, limit)
	case len(sum) >= digestLength:
		is := func(r issuance.Certificate) bool {
			whole := sha1.Sum(r.DER) //nolint:gosec // as above
			return string(whole[:]) == sum
		}
		return t.seek(sought{bySHA1, []byte(sum[:digestLength]), is}, limit)
	case octets(string(k.Mark)) != "":
		q := query{prefixes: [][]byte{prefix(byKey, octets(string(k.Mark)))}}
		return t.s.tables.certificates.take(t, q, limit)
	case k.Ending != "":
		return t.seek(sought{byEnding, backwards(k.Ending), func(issuance.Certificate) bool { return true }}, limit)
	}
	return nil, nil
}

// seek returns up to limit certificates that are what is sought, in the order of
// their serial numbers from the last digit to the first.
func (t *tx) seek(q sought, limit int) (out []issuance.Certificate, err error) {
	found, err := t.follow(q)
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	for _, s := range slices.Compact(found) {
		if len(out) >= limit {
			break
		}
		r, err := t.Certificate(issuance.Serial(backwards(s)))
		if err != nil {
			return nil, fmt.Errorf("a clue to a certificate points to a missing record: %w", err)
		}
		if r.Status != issuance.Abandoned && q.is(r) {
			out = append(out, r)
		}
	}
	return out, nil
}

// follow returns the serial numbers, backwards, that clues and runs have for q.
func (t *tx) follow(q sought) (found []string, err error) {
	clues, err := t.bucket(cluesBucket)
	if err != nil {
		return nil, err
	}
	c := clues.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if bytes.HasPrefix(clue(v).by(q.by), q.begins) {
			found = append(found, string(backwards(clue(v).serial())))
		}
	}
	runs, err := t.bucket(runsBucket)
	if err != nil {
		return nil, err
	}
	c = runs.Cursor()
	for run := uint64(1); run <= runs.Sequence(); run++ {
		head := runHead(q.by, run)
		begins := append(bytes.Clone(head), q.begins...)
		for k, _ := c.Seek(begins); bytes.HasPrefix(k, begins); k, _ = c.Next() {
			found = append(found, string(backwards(serialBy(q.by, k[len(head):]))))
		}
	}
	return found, nil
}

// octets returns what s is in hexadecimal, "" if it is not.
func octets(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(b)
}

// backwards returns the bytes of s from the last to the first, so that what ends
// alike begins alike.
func backwards[S ~string | ~[]byte](s S) []byte {
	b := []byte(string(s))
	slices.Reverse(b)
	return b
}
