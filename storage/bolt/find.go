package bolt

import (
	"crypto/sha1" //nolint:gosec // nothing is protected by it: people have fingerprints of it in hand
	"encoding/hex"
	"slices"

	"github.com/postern-ca/postern/issuance"
)

// certificateFinders returns the entries by which people find r: its fingerprints,
// how its serial number ends, whose it is, and the mark of its key.
func certificateFinders(r issuance.Certificate) [][]byte {
	key, at := []byte(r.Serial), newest(r.IssuedAt, r.Serial)
	sum := ""
	if len(r.DER) > 0 {
		digest := sha1.Sum(r.DER) //nolint:gosec // as above
		sum = string(digest[:])
	}
	return [][]byte{
		entry(bySHA256, key, octets(r.Fingerprint)),
		entry(bySHA1, key, sum),
		entry[string](byEnding, backwards(string(r.Serial))),
		entry(byHolder, at, r.Contact),
		entry(byKey, key, octets(string(r.Mark()))),
		revocationEntry(r),
	}
}

// CertificatesWith implements [issuance.Tx].
func (t *tx) CertificatesWith(k issuance.CertificateKey, limit int) ([]issuance.Certificate, error) {
	var q query
	switch sha256, sha1 := octets(k.SHA256), octets(k.SHA1); {
	case sha256 != "":
		q.prefixes = [][]byte{prefix(bySHA256, sha256)}
	case sha1 != "":
		q.prefixes = [][]byte{prefix(bySHA1, sha1)}
	case octets(string(k.Mark)) != "":
		q.prefixes = [][]byte{prefix(byKey, octets(string(k.Mark)))}
	case k.Ending != "":
		q.prefixes, q.first = [][]byte{prefix[string](byEnding)}, backwards(k.Ending)
		q.before = append(slices.Clone(q.first), 0xff)
	default:
		return nil, nil
	}
	return t.s.tables.certificates.take(t, q, limit)
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
func backwards(s string) []byte {
	b := []byte(s)
	slices.Reverse(b)
	return b
}
