package storagetest

import (
	"crypto/sha1" //nolint:gosec // as fingerprints that people have in hand
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

func testCertificatesByIssue(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	putCertificates(t, s, someCertificates()...)
	third := after(3 * time.Minute) // when serial00003 was issued
	for _, test := range []struct {
		name string
		q    issuance.CertificateQuery
		want []string
	}{
		{"from a time on", issuance.CertificateQuery{IssuedFrom: third}, []string{"00006", "00003"}},
		{"from a nanosecond later on", issuance.CertificateQuery{IssuedFrom: third.Add(1)}, []string{"00006"}},
		{"before", issuance.CertificateQuery{IssuedBefore: third}, []string{"00002", "00001"}},
		{"before a nanosecond later", issuance.CertificateQuery{IssuedBefore: third.Add(1)}, []string{"00003", "00002", "00001"}},
		{
			"between",
			issuance.CertificateQuery{IssuedFrom: after(2 * time.Minute), IssuedBefore: third.Add(1)},
			[]string{"00003", "00002"},
		},
		{"between, of an organisation", issuance.CertificateQuery{
			IssuedFrom:   after(2 * time.Minute),
			IssuedBefore: third.Add(1), Organization: "acme",
		}, []string{"00002"}},
		{"between, by expiry", issuance.CertificateQuery{
			IssuedFrom:   after(2 * time.Minute),
			IssuedBefore: third.Add(1), ExpiresFrom: start(),
		}, []string{"00003", "00002"}},
		{"never", issuance.CertificateQuery{IssuedFrom: third, IssuedBefore: third}, []string{}},
		{"of a contact", issuance.CertificateQuery{Contact: "contact1"}, []string{"00006", "00003", "00002", "00001"}},
		{
			"of a contact, active",
			issuance.CertificateQuery{Contact: "contact1", Status: issuance.Active, IssuedBefore: third},
			[]string{"00001"},
		},
		{"of another contact", issuance.CertificateQuery{Contact: "contact2"}, []string{}},
		{"of another contact, by expiry", issuance.CertificateQuery{Contact: "contact2", ExpiresFrom: start()}, []string{}},
	} {
		same(t, test.name, test.want, listCertificates(t, s, test.q))
	}
}

// finding returns certificates with distinct contents and serial numbers that end
// alike, and their fingerprints.
func finding(i int, status issuance.Status) (c issuance.Certificate, sha1Sum string) {
	c = certificate(i, func(c *issuance.Certificate) {
		c.Serial = issuance.Serial("3f" + name("00000000000000000", i) + "cafecafe5a")
		c.DER, c.Status, c.KeyMark = []byte(name("certificate", i)), status, markOf(i/2)
		sum := sha256.Sum256(c.DER)
		c.Fingerprint = hex.EncodeToString(sum[:])
	})
	old := sha1.Sum(c.DER) //nolint:gosec // as above
	return c, hex.EncodeToString(old[:])
}

// markOf returns the i-th mark of a key.
func markOf(i int) issuance.Digest {
	sum := sha256.Sum256([]byte(name("key", i)))
	return issuance.Digest(hex.EncodeToString(sum[:]))
}

func testCertificatesWith(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	first, _ := finding(1, issuance.Active)
	second, secondSum := finding(2, issuance.Revoked)
	never, neverSum := finding(3, issuance.Abandoned)
	putCertificates(t, s, first, second, never)
	find := func(k issuance.CertificateKey, limit int) []string {
		return ids(read(t, s, func(tx Reader) ([]issuance.Certificate, error) { return tx.CertificatesWith(k, limit) }),
			func(c issuance.Certificate) string { return string(c.Serial) })
	}
	one, two := string(first.Serial), string(second.Serial)
	check := func(when string) {
		for what, test := range map[string]struct {
			k     issuance.CertificateKey
			limit int
			want  []string
		}{
			"nothing":                {issuance.CertificateKey{}, 9, []string{}},
			"SHA-256":                {issuance.CertificateKey{SHA256: first.Fingerprint}, 9, []string{one}},
			"half a SHA-256":         {issuance.CertificateKey{SHA256: first.Fingerprint[:32]}, 9, []string{}},
			"SHA-256 of none":        {issuance.CertificateKey{SHA256: never.Fingerprint}, 9, []string{}},
			"no hexadecimal":         {issuance.CertificateKey{SHA256: "zz"}, 9, []string{}},
			"SHA-1":                  {issuance.CertificateKey{SHA1: secondSum}, 9, []string{two}},
			"SHA-1 of none":          {issuance.CertificateKey{SHA1: neverSum}, 9, []string{}},
			"an ending of both":      {issuance.CertificateKey{Ending: "cafe5a"}, 9, []string{one, two}},
			"an ending, one of both": {issuance.CertificateKey{Ending: "cafe5a"}, 1, []string{one}},
			"an ending of one":       {issuance.CertificateKey{Ending: "2cafecafe5a"}, 9, []string{two}},
			"a whole one":            {issuance.CertificateKey{Ending: two}, 9, []string{two}},
			"a key of one":           {issuance.CertificateKey{Mark: markOf(0)}, 9, []string{one}},
			"a key of one and none":  {issuance.CertificateKey{Mark: markOf(1)}, 9, []string{two}},
			"half a key":             {issuance.CertificateKey{Mark: markOf(1)[:32]}, 9, []string{}},
			"an unknown key":         {issuance.CertificateKey{Mark: markOf(7)}, 9, []string{}},
			"what nothing ends with": {issuance.CertificateKey{Ending: "afe5"}, 9, []string{}},
		} {
			same(t, when+", "+what, test.want, find(test.k, test.limit))
		}
	}
	check("put")
	first.Status = issuance.Held
	putCertificates(t, s, first)
	check("changed")
	s = open()
	check("opened again")
	never.Status = issuance.Active
	putCertificates(t, s, never)
	same(t, "a key of two", []string{two, string(never.Serial)}, find(issuance.CertificateKey{Mark: markOf(1)}, 9))
	same(t, "a key of two, one of them", []string{two}, find(issuance.CertificateKey{Mark: markOf(1)}, 1))
	same(t, "issued now", []string{string(never.Serial)}, find(issuance.CertificateKey{SHA1: neverSum}, 9))
}
