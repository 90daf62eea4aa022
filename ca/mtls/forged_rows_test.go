package mtls

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

func (f *forger) chains() map[string]forgery {
	mallory := testSub(f.t, nil, "Mallory Root CA", nil)
	malloryIssuing := testSub(f.t, &mallory, "Mallory Issuing CA", nil)
	twin := testSub(f.t, nil, "Client Issuing CA 1", func(c *x509.Certificate) { c.SubjectKeyId = f.issuing.cert.SubjectKeyId })
	namesake := testSub(f.t, nil, "Client Issuing CA 1", nil)
	sibling := testSub(f.t, &f.root, "Client Issuing CA 2", nil)
	below := testSub(f.t, &f.issuing, "A CA below", nil)
	belowBelow := testSub(f.t, &below, "A CA below that", nil)
	client := testCA{f.parsed(func(p *parts) {
		p.subject = name(pkix.Name{Organization: []string{"Acme Pharma SA"}, CommonName: "payments-test"})
		p.set(ext(extSAN, false, seq(uriName("spiffe://example.com/org/acme/service/payments-test"))))
	}), f.key}
	loopA, loopB := f.loop("Loop A", "Loop B")
	loopOurs, loopOther := f.loop("Client Issuing CA 1", "Loop C")
	renamed := func(n pkix.Name) func(*parts) { return func(p *parts) { p.issuer = name(n) } }
	aki := func(value []byte) func(*parts) { return func(p *parts) { p.set(ext(extAKI, false, value)) } }
	flipped := bytes.Clone(f.issuing.cert.SubjectKeyId)
	flipped[19] ^= 1
	self := func(change func(*parts)) func(*parts) {
		return func(p *parts) {
			p.issuer = p.subject
			p.sign = func(tbs []byte) []byte { return f.signWith(f.key, tbs) }
			change(p)
		}
	}
	return map[string]forgery{
		"no certificate":    {code: CodeMissing},
		"another hierarchy": f.by(malloryIssuing, CodeForeign, malloryIssuing, mallory),
		"another root":      f.by(mallory, CodeForeign),
		"our name and key identifier, another key":   f.by(twin, CodeSignature, twin),
		"our name, another key":                      f.by(namesake, CodeIssuerKey, namesake),
		"a CA beside ours, under our root":           f.by(sibling, CodeForeign, sibling, f.root),
		"signed by our root":                         f.by(f.root, CodeForeign, f.root),
		"a CA below ours":                            f.by(below, CodeLongChain, below, f.issuing),
		"two CAs below ours":                         f.by(belowBelow, CodeLongChain, belowBelow, below, f.issuing),
		"signed by a client":                         f.by(client, CodeLongChain, client, f.issuing),
		"cross-signed loop":                          f.by(loopA, CodeForeign, loopA, loopB),
		"cross-signed loop, the other way in":        f.by(loopB, CodeForeign, loopB, loopA, loopB),
		"cross-signed loop that bears our name":      f.by(loopOurs, CodeIssuerKey, loopOurs, loopOther),
		"cross-signed loop below a CA with our name": f.by(loopOther, CodeLongChain, loopOther, loopOurs),
		"the issuing CA's own certificate":           {chain: [][]byte{f.issuing.cert.Raw}, code: CodeForeign},
		"the root's own certificate":                 {chain: [][]byte{f.root.cert.Raw}, code: CodeSelfSigned},
		"our issuer after a foreign certificate":     f.by(malloryIssuing, CodeForeign, f.issuing, f.root),
		"self-signed":                                f.one(CodeSelfSigned, self(func(p *parts) { p.drop(extAKI) })),
		"self-signed in our CA's name":               f.one(CodeSignature, self(func(p *parts) { p.issuer, p.subject = f.issuing.cert.RawSubject, f.issuing.cert.RawSubject })),
		"self-signed with our key identifier":        f.one(CodeIssuerName, self(func(*parts) {})),
		"no authority key identifier":                f.one(CodeIssuerKey, func(p *parts) { p.drop(extAKI) }),
		"an empty authority key identifier":          f.one(CodeIssuerKey, aki(seq())),
		"another bit in the key identifier":          f.one(CodeIssuerKey, aki(seq(tagged(0x80, flipped)))),
		"a longer key identifier":                    f.one(CodeIssuerKey, aki(seq(tagged(0x80, append(bytes.Clone(f.issuing.cert.SubjectKeyId), 0))))),
		"the root's key identifier":                  f.one(CodeIssuerKey, aki(seq(tagged(0x80, f.root.cert.SubjectKeyId)))),
		"a key identifier that is no sequence":       f.unread("authority key identifier", aki([]byte{4, 1, 0})),
		"issuer in another case":                     f.one(CodeIssuerName, renamed(pkix.Name{Organization: []string{"Example"}, CommonName: "client issuing ca 1"})),
		"issuer with a space more":                   f.one(CodeIssuerName, renamed(pkix.Name{Organization: []string{"Example"}, CommonName: "Client Issuing CA 1 "})),
		"issuer with a part more":                    f.one(CodeIssuerName, renamed(pkix.Name{Country: []string{"CH"}, Organization: []string{"Example"}, CommonName: "Client Issuing CA 1"})),
		"issuer with a Cyrillic letter":              f.one(CodeIssuerName, renamed(pkix.Name{Organization: []string{"Example"}, CommonName: "Client Issuing С\u0410 1"})),
		"issuer without a name":                      f.one(CodeIssuerName, renamed(pkix.Name{})),
		"issuer in other bytes":                      f.one(CodeIssuerName, func(p *parts) { p.issuer = bytes.ReplaceAll(p.issuer, []byte{0x13}, []byte{0x0c}) }), // UTF8String for PrintableString
	}
}

// loop returns two CAs that have signed each other.
func (f *forger) loop(nameA, nameB string) (a, b testCA) {
	a0 := testSub(f.t, nil, nameA, nil)
	b = testSub(f.t, &a0, nameB, nil)
	template := *a0.cert
	return testCA{b.sign(f.t, &template, a0.key.Public()), a0.key}, b
}

func (f *forger) signatures() map[string]forgery {
	signed := func(change func([]byte) []byte) func(*parts) {
		return func(p *parts) {
			sign := p.sign
			p.sign = func(tbs []byte) []byte { return change(sign(tbs)) }
		}
	}
	after := func(from, to []byte) func(*parts) {
		return func(p *parts) {
			p.after = func(tbs []byte) []byte { return bytes.Replace(tbs, from, to, 1) }
		}
	}
	both := func(arcs ...int) func(*parts) {
		return func(p *parts) { p.inner, p.outer = algorithm(arcs...), algorithm(arcs...) }
	}
	pair := func(r, s *big.Int) func(*parts) {
		return signed(func([]byte) []byte {
			return der(func(b *cryptobyte.Builder) {
				b.AddBytes(seq(der(func(b *cryptobyte.Builder) { b.AddASN1BigInt(r) }), der(func(b *cryptobyte.Builder) { b.AddASN1BigInt(s) })))
			})
		})
	}
	n, zero, one := elliptic.P256().Params().N, big.NewInt(0), big.NewInt(1)
	rsaAlgorithm := func(last int) func(*parts) {
		return func(p *parts) {
			p.inner = seq(oid(1, 2, 840, 113549, 1, 1, last), []byte{5, 0})
			p.outer = p.inner
		}
	}
	other, otherKey := f.cert(nil), testKey(f.t)
	return map[string]forgery{
		"first bit of the signature":                      f.one(CodeSignature, signed(func(s []byte) []byte { s[6] ^= 0x40; return s })),
		"last bit of the signature":                       f.one(CodeSignature, signed(func(s []byte) []byte { s[len(s)-1] ^= 1; return s })),
		"signature cut short":                             f.one(CodeSignature, signed(func(s []byte) []byte { return s[:len(s)-1] })),
		"signature with an byte more":                     f.one(CodeSignature, signed(func(s []byte) []byte { return append(s, 0) })),
		"empty signature":                                 f.one(CodeSignature, signed(func([]byte) []byte { return nil })),
		"signature of another certificate":                f.one(CodeSignature, signed(func([]byte) []byte { c, _ := x509.ParseCertificate(other); return c.Signature })),
		"signed by another key":                           f.one(CodeSignature, func(p *parts) { p.sign = func(tbs []byte) []byte { return f.signWith(otherKey, tbs) } }),
		"signed by the client's key":                      f.one(CodeSignature, func(p *parts) { p.sign = func(tbs []byte) []byte { return f.signWith(f.key, tbs) } }),
		"r and s are zero":                                f.one(CodeSignature, pair(zero, zero)),
		"r and s are one":                                 f.one(CodeSignature, pair(one, one)),
		"r and s are the order":                           f.one(CodeSignature, pair(n, n)),
		"r and s are negative":                            f.one(CodeSignature, pair(big.NewInt(-1), big.NewInt(-1))),
		"signature in BER":                                f.one(CodeSignature, signed(func(s []byte) []byte { return append([]byte{0x30, 0x81}, s[1:]...) })),
		"organisation changed after":                      f.one(CodeSignature, after([]byte("Acme Pharma SA"), []byte("Acme Pharma SB"))),
		"service changed after":                           f.one(CodeSignature, after([]byte("service/payments-prod"), []byte("service/payments-Prod"))),
		"usage changed after":                             f.one(CodeSignature, after([]byte{3, 2, 7, 0x80}, []byte{3, 2, 6, 0xc0})),
		"dates changed after":                             f.one(CodeSignature, after([]byte("281103120000Z"), []byte("381103120000Z"))),
		"another signature algorithm inside than outside": f.unread("algorithm", func(p *parts) { p.inner = algorithm(1, 2, 840, 10045, 4, 3, 3) }),
		"SHA-1 with ECDSA": f.one(CodeWeakHash, func(p *parts) {
			both(1, 2, 840, 10045, 4, 1)(p)
			p.sign = func(tbs []byte) []byte {
				s, err := crypto.SignMessage(f.issuing.key, rand.Reader, tbs, crypto.SHA1)
				if err != nil {
					f.t.Fatal(err)
				}
				return s
			}
		}),
		"SHA-224 with ECDSA":            f.one(CodeWeakHash, both(1, 2, 840, 10045, 4, 3, 1)),
		"SHA-384 said, SHA-256 used":    f.one(CodeSignature, both(1, 2, 840, 10045, 4, 3, 3)),
		"DSA with SHA-256":              f.one(CodeWeakHash, both(2, 16, 840, 1, 101, 3, 4, 3, 2)),
		"an unknown algorithm":          f.one(CodeWeakHash, both(1, 3, 6, 1, 4, 1, 99999, 1)),
		"the key's algorithm":           f.one(CodeWeakHash, both(1, 2, 840, 10045, 2, 1)),
		"Ed25519 said, ECDSA used":      f.one(CodeSignature, both(1, 3, 101, 112)),
		"MD2 with RSA":                  f.one(CodeWeakHash, rsaAlgorithm(2)),
		"MD5 with RSA":                  f.one(CodeWeakHash, rsaAlgorithm(4)),
		"SHA-1 with RSA":                f.one(CodeWeakHash, rsaAlgorithm(5)),
		"SHA-256 with RSA by ECDSA key": f.one(CodeSignature, rsaAlgorithm(11)),
		"ML-DSA said, ECDSA used":       f.one(CodeWeakHash, both(2, 16, 840, 1, 101, 3, 4, 3, 18)),
	}
}

func (f *forger) forms() map[string]forgery {
	serial := func(n *big.Int) func(*parts) {
		return func(p *parts) { p.serial = der(func(b *cryptobyte.Builder) { b.AddASN1BigInt(n) }) }
	}
	rawSerial := func(content ...byte) func(*parts) { return func(p *parts) { p.serial = tagged(2, content) } }
	dates := func(from, to time.Duration) func(*parts) {
		return func(p *parts) { p.validity = validity(testStart().Add(from), testStart().Add(to)) }
	}
	rawDate := func(tag uint8, text string) func(*parts) {
		return func(p *parts) { p.validity = seq(tagged(tag, []byte(text)), tagged(tag, []byte(text))) }
	}
	year := 365 * 24 * time.Hour
	bits := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	return map[string]forgery{
		"version 1":                      f.one(CodeVersion, func(p *parts) { p.version, p.extensions = nil, nil }),
		"version 2":                      f.one(CodeVersion, func(p *parts) { p.version, p.extensions = tagged(0xa0, []byte{2, 1, 1}), nil }),
		"version 4":                      f.unread("invalid version", func(p *parts) { p.version = tagged(0xa0, []byte{2, 1, 3}) }),
		"serial 0":                       f.one(CodeSerial, serial(big.NewInt(0))),
		"serial -1":                      f.unread("negative serial", serial(big.NewInt(-1))),
		"serial with its first bit set":  f.unread("negative serial", rawSerial(0x80, 1, 2, 3)),
		"serial of 20 bytes and a sign":  f.one(CodeSerial, serial(bits(159))),
		"serial of 21 bytes":             f.one(CodeSerial, serial(bits(166))),
		"serial of 200 bytes":            f.one(CodeSerial, serial(bits(1599))),
		"serial with a zero before":      f.unread("serial", rawSerial(0, 0, 1)),
		"serial without an byte":         f.unread("serial", rawSerial()),
		"ends before it begins":          f.one(CodeValidity, dates(time.Hour, -time.Hour)),
		"ends a second before it begins": f.one(CodeValidity, dates(0, -time.Second)),
		"expired a second ago":           f.one(CodeExpired, dates(-time.Hour, -time.Second)),
		"expired yesterday":              f.one(CodeExpired, dates(-23*time.Hour, -22*time.Hour)),
		"ended before its CA began":      f.one(CodeChain, dates(-9*year, -7*year)),
		"begins in a second":             f.one(CodeEarly, dates(time.Second, year)),
		"begins next year":               f.one(CodeEarly, dates(year, 2*year)),
		"begins in 2070":                 f.one(CodeChain, dates(44*year, 46*year)), // after its CA's end
		"a thirteenth month":             f.unread("UTCTime", rawDate(23, "261303120000Z")),
		"a date without a zone":          f.unread("UTCTime", rawDate(23, "261103120000")),
		"a date with fractions":          f.unread("GeneralizedTime", rawDate(24, "20261103120000.5Z")),
		"a date that is text":            f.unread("time", rawDate(12, "20261103120000Z")),
		"an byte after the certificate":  {chain: [][]byte{append(f.cert(nil), 0)}, library: "trailing data"},
		"half a certificate":             {chain: [][]byte{f.cert(nil)[:200]}, library: "malformed"},
		"no bytes":                       {chain: [][]byte{{}}, library: "malformed"},
	}
}

func (f *forger) usages() map[string]forgery {
	usage := func(content ...byte) func(*parts) {
		return func(p *parts) { p.set(ext(extKU, true, append([]byte{3}, content...))) }
	}
	extended := func(usages ...[]byte) func(*parts) {
		return func(p *parts) { p.set(ext(extEKU, false, seq(usages...))) }
	}
	kp := func(last int) []byte { return oid(1, 3, 6, 1, 5, 5, 7, 3, last) }
	anyUsage, server, client := oid(2, 5, 29, 37, 0), kp(1), kp(2)
	unknown, smartcard := oid(1, 3, 6, 1, 4, 1, 99999, 2), oid(1, 3, 6, 1, 4, 1, 311, 20, 2, 2)
	return map[string]forgery{
		"no key usage":                           f.one(CodeKeyUsage, func(p *parts) { p.drop(extKU) }),
		"key usage without a bit":                f.one(CodeKeyUsage, usage(1, 0)),
		"keyEncipherment":                        f.one(CodeKeyUsage, usage(2, 5, 0x20)),
		"contentCommitment":                      f.one(CodeKeyUsage, usage(2, 6, 0x40)),
		"keyAgreement":                           f.one(CodeKeyUsage, usage(2, 3, 0x08)),
		"digitalSignature and keyEncipherment":   f.one(CodeKeyUsage, usage(2, 5, 0xa0)),
		"digitalSignature and contentCommitment": f.one(CodeKeyUsage, usage(2, 6, 0xc0)),
		"key usage that is none":                 f.unread("key usage", func(p *parts) { p.set(ext(extKU, true, []byte{4, 1, 0x80})) }),
		"no extended key usage":                  f.one(CodeNoUsage, func(p *parts) { p.drop(extEKU) }),
		"an empty extended key usage":            f.one(CodeNoUsage, extended()),
		"anyExtendedKeyUsage":                    f.one(CodeAnyUsage, extended(anyUsage)),
		"anyExtendedKeyUsage, critical":          f.one(CodeAnyUsage, func(p *parts) { p.set(ext(extEKU, true, seq(anyUsage))) }),
		"anyExtendedKeyUsage and clientAuth":     f.one(CodeAnyUsage, extended(anyUsage, client)),
		"anyExtendedKeyUsage and serverAuth":     f.one(CodeAnyUsage, extended(server, anyUsage)),
		"serverAuth":                             f.one(CodeNoClient, extended(server)),
		"codeSigning":                            f.one(CodeNoClient, extended(kp(3))),
		"emailProtection":                        f.one(CodeNoClient, extended(kp(4))),
		"timeStamping":                           f.one(CodeNoClient, extended(kp(8))),
		"OCSPSigning":                            f.one(CodeNoClient, extended(kp(9))),
		"smart card logon":                       f.one(CodeNoClient, extended(smartcard)),
		"an unknown extended key usage":          f.one(CodeNoClient, extended(unknown)),
		"clientAuth and serverAuth":              f.one(CodeOtherUsage, extended(client, server)),
		"clientAuth and OCSPSigning":             f.one(CodeOtherUsage, extended(client, kp(9))),
		"clientAuth and an unknown one":          f.one(CodeOtherUsage, extended(client, unknown)),
		"clientAuth twice":                       f.one(CodeOtherUsage, extended(client, client)),
		"an extended key usage that is none":     f.unread("extended key usage", func(p *parts) { p.set(ext(extEKU, false, []byte{2, 1, 0})) }),
	}
}

func (f *forger) caParts() map[string]forgery {
	put := func(last int, value []byte) func(*parts) {
		return func(p *parts) { p.set(ext(last, last == extBC || last == extKU, value)) }
	}
	ca, integer := []byte{1, 1, 0xff}, func(n byte) []byte { return []byte{2, 1, n} }
	policy := oid(1, 3, 6, 1, 4, 1, 99999, 7)
	uri := tagged(0xa0, seq(tagged(0x86, []byte("example.com"))))
	return map[string]forgery{
		"CA:TRUE":                         f.one(CodeIsCA, put(extBC, seq(ca))),
		"CA:TRUE, not critical":           f.one(CodeIsCA, func(p *parts) { p.set(ext(extBC, false, seq(ca))) }),
		"CA:TRUE with path length 0":      f.one(CodeIsCA, put(extBC, seq(ca, integer(0)))),
		"CA:TRUE that signs certificates": f.one(CodeIsCA, func(p *parts) { put(extBC, seq(ca))(p); put(extKU, []byte{3, 2, 2, 0x84})(p) }),
		"no basic constraints":            f.one(CodeNoBasic, func(p *parts) { p.drop(extBC) }),
		"path length 0":                   f.one(CodePathLength, put(extBC, seq(integer(0)))),
		"path length 3":                   f.one(CodePathLength, put(extBC, seq(integer(3)))),
		"basic constraints that are none": f.unread("basic constraints", put(extBC, []byte{2, 1, 0})),
		"CA:TRUE in BER":                  f.unread("basic constraints", put(extBC, seq([]byte{1, 1, 1}))),
		"keyCertSign":                     f.one(CodeCertSign, put(extKU, []byte{3, 2, 2, 0x84})),
		"cRLSign":                         f.one(CodeCertSign, put(extKU, []byte{3, 2, 1, 0x82})),
		"every key usage":                 f.one(CodeCertSign, put(extKU, []byte{3, 3, 7, 0xff, 0x80})),
		"name constraints":                f.one(CodeExtension, put(30, seq(uri))),
		"policy mappings":                 f.one(CodeExtension, put(33, seq(seq(policy, policy)))),
		"policy constraints":              f.one(CodeExtension, put(36, seq([]byte{0x80, 1, 0}))),
		"inhibit any policy":              f.one(CodeExtension, put(54, integer(0))),
		"an unknown critical extension": f.one(CodeCritical, func(p *parts) {
			p.set(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}),
		"a critical issuer name":        f.one(CodeCritical, func(p *parts) { p.set(ext(18, true, seq(uriName("https://example.com")))) }),
		"a critical private key period": f.one(CodeCritical, func(p *parts) { p.set(ext(16, true, seq())) }),
		"a critical freshest CRL":       f.one(CodeCritical, func(p *parts) { p.set(ext(46, true, seq())) }),
		"a critical poison (RFC 6962)": f.one(CodeCritical, func(p *parts) {
			p.set(pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}, Critical: true, Value: []byte{5, 0}})
		}),
		"an extension twice":     f.unread("duplicate", func(p *parts) { p.extensions = append(p.extensions, p.extensions[1]) }),
		"CA:FALSE, then CA:TRUE": f.unread("duplicate", func(p *parts) { p.extensions = append(p.extensions, ext(extBC, true, seq(ca))) }),
	}
}
