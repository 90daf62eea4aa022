package mtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
)

// TestCAsThatDoNotConformAreRefused has hierarchies whose root or issuing CA is
// not what RFC 5280 asks of a CA, or has a key that everybody may have.
func TestCAsThatDoNotConformAreRefused(t *testing.T) {
	extra := func(e ...pkix.Extension) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtraExtensions = e }
	}
	access := func(last int, critical bool) pkix.Extension {
		where := tagged(0x86, []byte("http://pki.example.com/"))
		return pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, last}, Critical: critical,
			Value: seq(seq(oid(1, 3, 6, 1, 5, 5, 7, 48, 2), where)),
		}
	}
	permitted := seq(tagged(0xa0, seq(tagged(0x86, []byte("example.com")))))
	explicit := seq(tagged(0x80, []byte{0}))
	points := seq(seq(tagged(0xa0, tagged(0xa0, tagged(0x86, []byte("http://pki.example.com/x.crl"))))))
	for name, test := range map[string]struct {
		change func(*x509.Certificate)
		want   string // "": it is accepted
	}{
		"basic constraints":                {extra(ext(extBC, true, seq([]byte{1, 1, 0xff}))), ""},
		"basic constraints, not critical":  {extra(ext(extBC, false, seq([]byte{1, 1, 0xff}))), "basic constraints, which must be critical"},
		"name constraints":                 {extra(ext(30, true, permitted)), ""},
		"name constraints, not critical":   {extra(ext(30, false, permitted)), "name constraints, which must be critical"},
		"policy constraints, not critical": {extra(ext(36, false, explicit)), "policy constraints, which must be critical"},
		"inhibit any policy, not critical": {extra(ext(54, false, []byte{2, 1, 0})), "inhibit any policy, which must be critical"},
		"key usage, not critical":          {extra(ext(extKU, false, []byte{3, 2, 1, 6})), ""}, // SHOULD
		"critical subject information":     {extra(access(11, true)), "subject information access, which must not be critical"},
		"critical freshest CRL":            {extra(ext(46, true, points)), "freshest CRL, which must not be critical"},
		"subject information":              {extra(access(11, false)), ""},
		"no subject":                       {func(c *x509.Certificate) { c.RawSubject = seq() }, "has no subject"},
	} {
		t.Run(name, func(t *testing.T) {
			root := testSub(t, nil, "Client Root CA", nil)
			issuing := testSub(t, &root, "Client Issuing CA 1", test.change)
			wantHierarchy(t, test.want, root.cert, issuing.cert)
			if strings.Contains(test.want, "subject") {
				return // a root that has lost what its child is found by
			}
			root = testSub(t, nil, "Client Root CA", func(c *x509.Certificate) {
				test.change(c)
				c.URIs = nil
			})
			wantHierarchy(t, test.want, root.cert, testSub(t, &root, "Client Issuing CA 1", nil).cert)
		})
	}
}

func wantHierarchy(t *testing.T, want string, certs ...*x509.Certificate) {
	t.Helper()
	_, err := NewCAs(certs...)
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestAnIssuingCAHasTheIdentifierOfItsIssuersKey (RFC 5280, section 4.2.1.1).
func TestAnIssuingCAHasTheIdentifierOfItsIssuersKey(t *testing.T) {
	root := testSub(t, nil, "Client Root CA", nil)
	nameless := *root.cert
	nameless.SubjectKeyId = nil // then the standard library writes no extension
	without := testSub(t, &testCA{&nameless, root.key}, "Client Issuing CA 1", nil)
	empty := testSub(t, &root, "Client Issuing CA 1", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{ext(extAKI, false, seq())}
	})
	wantHierarchy(t, "no authority key identifier", root.cert, without.cert)
	wantHierarchy(t, "no authority key identifier", root.cert, empty.cert)
}

// weakCAKeys are public keys that no CA may have, and why.
func weakCAKeys(t *testing.T) map[string]crypto.PublicKey {
	odd := func(bits uint) *big.Int { return new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), bits-1), 0, 1) }
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.PublicKey{
		"has 1024 bits":           &rsa.PublicKey{N: odd(1024), E: 65537},
		"has 2047 bits":           &rsa.PublicKey{N: odd(2047), E: 65537},
		"has 5000 bits":           &rsa.PublicKey{N: odd(5000), E: 65537},
		"even or less than 65537": &rsa.PublicKey{N: odd(2048), E: 3},
		"neither P-256":           p521.Public(),
		"neither P-256 nor":       p224.Public(),
	}
}

// TestCAsWithWeakKeysAreRefused, at every level.
func TestCAsWithWeakKeysAreRefused(t *testing.T) {
	root := testSub(t, nil, "Client Root CA", nil)
	for want, key := range weakCAKeys(t) {
		template := *testSub(t, &root, "Client Issuing CA 1", nil).cert
		template.SubjectKeyId = []byte{1, 2, 3}
		wantHierarchy(t, want, root.cert, root.sign(t, &template, key))

		// A root need not have signed itself for its key to be looked at.
		template = *root.cert
		weak := testCA{root.sign(t, &template, key), root.key}
		wantHierarchy(t, want, weak.cert, testSub(t, &root, "Client Issuing CA 1", nil).cert)
	}
}
