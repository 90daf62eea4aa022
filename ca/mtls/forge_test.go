package mtls

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const testDomain = "example.com"

func testStart() time.Time { return time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC) }

func testKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// testCA is a CA with its key.
type testCA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// sign returns template as parent's certificate for key.
func (parent testCA) sign(t testing.TB, template *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key, parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// testSub returns a CA below parent; without a parent, a root.
func testSub(t testing.TB, parent *testCA, name string, change func(*x509.Certificate)) testCA {
	t.Helper()
	key := testKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{Organization: []string{"Example"}, CommonName: name},
		NotBefore: testStart().Add(-24 * time.Hour), NotAfter: testStart().AddDate(10, 0, 0),
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		URIs: []*url.URL{{Scheme: "spiffe", Host: testDomain}},
	}
	if change != nil {
		change(template)
	}
	self := testCA{template, key}
	if parent == nil {
		parent = &self
	}
	return testCA{parent.sign(t, template, key.Public()), key}
}

// forger makes client certificates that no CA of ours makes, signed by its key.
type forger struct {
	t             testing.TB
	root, issuing testCA
	cas           *CAs
	key           *ecdsa.PrivateKey // the client's
}

func newForger(t testing.TB) *forger {
	t.Helper()
	root := testSub(t, nil, "Client Root CA", nil)
	f := &forger{t: t, root: root, key: testKey(t), issuing: testSub(t, &root, "Client Issuing CA 1", func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })}
	var err error
	if f.cas, err = NewCAs(f.root.cert, f.issuing.cert); err != nil {
		t.Fatal(err)
	}
	return f
}

// parts is a certificate, part by part, each in DER.
type parts struct {
	version, serial, inner, outer, issuer, validity, subject, spki []byte
	extensions                                                     []pkix.Extension
	sign                                                           func(tbs []byte) []byte
	after                                                          func(tbs []byte) []byte // changes what was signed
}

func der(build func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	build(&b)
	return b.BytesOrPanic()
}

func seq(contents ...[]byte) []byte {
	return der(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, c := range contents {
				b.AddBytes(c)
			}
		})
	})
}

func tagged(tag uint8, content []byte) []byte {
	return der(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes(content) })
	})
}

func oid(arcs ...int) []byte {
	return der(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(arcs) })
}

func algorithm(arcs ...int) []byte { return seq(oid(arcs...)) }

func ecdsaSHA256() []byte { return algorithm(1, 2, 840, 10045, 4, 3, 2) }

func name(n pkix.Name) []byte {
	out, err := asn1.Marshal(n.ToRDNSequence())
	if err != nil {
		panic(err)
	}
	return out
}

func validity(from, to time.Time) []byte {
	return der(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, at := range []time.Time{from, to} {
				if at.Year() < 2050 {
					b.AddASN1UTCTime(at)
				} else {
					b.AddASN1GeneralizedTime(at)
				}
			}
		})
	})
}

func ext(last int, critical bool, value []byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, last}, Critical: critical, Value: value}
}

// The numbers of id-ce extensions.
const (
	extSKI, extKU, extSAN, extBC, extAKI, extEKU = 14, 15, 17, 19, 35, 37
)

func uriName(uri string) []byte { return tagged(0x86, []byte(uri)) }

const goodURI = "spiffe://example.com/org/acme/service/payments-prod"

// good returns a certificate as Postern makes them.
func (f *forger) good() parts {
	spki, err := x509.MarshalPKIXPublicKey(f.key.Public())
	if err != nil {
		f.t.Fatal(err)
	}
	return parts{
		version: tagged(0xa0, []byte{2, 1, 2}), serial: der(func(b *cryptobyte.Builder) { b.AddASN1BigInt(serialOf(f.t)) }),
		inner: ecdsaSHA256(), outer: ecdsaSHA256(), issuer: f.issuing.cert.RawSubject,
		validity: validity(testStart().Add(-time.Hour), testStart().AddDate(2, 0, 0)),
		subject:  name(pkix.Name{Organization: []string{"Acme Pharma SA"}, CommonName: "payments-prod"}), spki: spki,
		extensions: []pkix.Extension{
			ext(extKU, true, []byte{3, 2, 7, 0x80}), ext(extEKU, false, seq(oid(1, 3, 6, 1, 5, 5, 7, 3, 2))), ext(extBC, true, seq()),
			ext(extSKI, false, tagged(4, make([]byte, 20))), ext(extAKI, false, seq(tagged(0x80, f.issuing.cert.SubjectKeyId))),
			ext(extSAN, false, seq(uriName(goodURI))),
		},
		sign: func(tbs []byte) []byte { return f.signWith(f.issuing.key, tbs) },
	}
}

// serialOf returns a new serial number of 16 bytes.
func serialOf(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, new(big.Int).Lsh(big.NewInt(1), 127))
}

func (f *forger) signWith(key crypto.Signer, message []byte) []byte {
	f.t.Helper()
	signature, err := crypto.SignMessage(key, rand.Reader, message, crypto.SHA256)
	if err != nil {
		f.t.Fatal(err)
	}
	return signature
}

// der assembles the certificate.
func (p parts) der() []byte {
	var extensions []byte
	for _, e := range p.extensions {
		out, err := asn1.Marshal(e)
		if err != nil {
			panic(err)
		}
		extensions = append(extensions, out...)
	}
	tbs := [][]byte{p.version, p.serial, p.inner, p.issuer, p.validity, p.subject, p.spki}
	if extensions != nil {
		tbs = append(tbs, tagged(0xa3, seq(extensions)))
	}
	whole := seq(tbs...)
	signature := p.sign(whole)
	if p.after != nil {
		whole = p.after(whole)
	}
	return seq(whole, p.outer, tagged(3, append([]byte{0}, signature...)))
}

// set replaces the extension 2.5.29.last, or adds it.
func (p *parts) set(e pkix.Extension) {
	for i := range p.extensions {
		if p.extensions[i].Id.Equal(e.Id) {
			p.extensions[i] = e
			return
		}
	}
	p.extensions = append(p.extensions, e)
}

func (p *parts) drop(last int) {
	p.extensions = slices.DeleteFunc(p.extensions, func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, last}) })
}

// cert returns a certificate that differs from a good one by change.
func (f *forger) cert(change func(*parts)) []byte {
	p := f.good()
	if change != nil {
		change(&p)
	}
	return p.der()
}

// parsed returns a good certificate that differs by change, which the library reads.
func (f *forger) parsed(change func(*parts)) *x509.Certificate {
	f.t.Helper()
	cert, err := x509.ParseCertificate(f.cert(change))
	if err != nil {
		f.t.Fatal(err)
	}
	return cert
}

// stands is a source that revokes nothing.
type stands struct{}

func (stands) Status(_ context.Context, _ Chain) error { return nil }
