package mtls

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // to sign with SHA-1
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// forgery is what a client presents. It is refused with the code, or, where the
// standard library does not even read it, with the library's words.
type forgery struct {
	chain   [][]byte
	code    Code
	library string
}

// TestForgedCertificatesAreRefused presents each forgery in a real handshake, and
// to the check of a request where it can be read. All but one thing about each is right.
func TestForgedCertificatesAreRefused(t *testing.T) {
	f := newForger(t)
	server := f.server()
	verifier := &Verifier{CAs: f.cas, Revocation: stands{}, Now: testStart}
	if err := f.handshake(verifier, server, [][]byte{f.cert(nil)}); err != nil {
		t.Fatalf("a certificate as it should be is refused: %v", err)
	}
	for _, named := range []string{"my page", "Größen & Co.", "我的页面", "p\u0430yments-prod", strings.Repeat("ä", 64)} {
		cert := f.cert(func(p *parts) {
			p.subject = name(pkix.Name{Organization: []string{"Acme Pharma SA"}, CommonName: named})
		})
		if err := f.handshake(verifier, server, [][]byte{cert}); err != nil {
			t.Errorf("a service that is called %q is refused: %v", named, err)
		}
	}
	all := map[string]forgery{}
	for _, rows := range []map[string]forgery{f.chains(), f.signatures(), f.forms(), f.caParts(), f.usages(), f.keys(), f.names()} {
		for name, row := range rows {
			if _, twice := all[name]; twice {
				t.Errorf("there are two forgeries %q", name)
			}
			all[name] = row
		}
	}
	if len(all) < 100 {
		t.Errorf("there are %d forgeries, want at least 100", len(all))
	}
	t.Logf("%d forgeries", len(all))
	for name, row := range all {
		t.Run(name, func(t *testing.T) {
			if err := f.handshake(verifier, server, row.chain); !f.refusedByTLS(row, err) {
				f.expect(t, row, err)
			}
			var presented []*x509.Certificate
			for _, der := range row.chain {
				cert, err := x509.ParseCertificate(der)
				if err != nil && row.library == "" {
					t.Fatalf("the library does not read it: %v", err)
				} else if err != nil {
					f.expect(t, row, err)
					return
				}
				presented = append(presented, cert)
			}
			_, err := verifier.Check(context.Background(), presented)
			f.expect(t, row, err)
		})
	}
}

// refusedByTLS reports whether crypto/tls refused the client before it asked the
// verifier: it does where there is no certificate or no use for the key.
func (f *forger) refusedByTLS(row forgery, err error) bool {
	return err != nil && (row.code == CodeMissing && strings.Contains(err.Error(), "didn't provide a certificate") ||
		row.code == CodeKey && strings.Contains(err.Error(), "unsupported public key"))
}

func (f *forger) expect(t *testing.T, row forgery, err error) {
	t.Helper()
	refusal, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
		t.Errorf("it is accepted, want %s%s", row.code, row.library)
	case row.library != "":
		if !strings.Contains(err.Error(), row.library) {
			t.Errorf("got %q, want %q in it", err, row.library)
		}
	case !ok || refusal.Code != row.code:
		t.Errorf("got %v, want %s", err, row.code)
	case refusal.Message == "":
		t.Error("the refusal has no message")
	}
}

// server returns the certificate of a TLS server.
func (f *forger) server() tls.Certificate {
	key := testKey(f.t)
	cert := f.root.sign(f.t, &x509.Certificate{
		SerialNumber: serialOf(f.t), NotBefore: testStart().Add(-time.Hour), NotAfter: testStart().AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"service.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key.Public())
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// handshake returns why the server of verifier refuses a client with chain.
func (f *forger) handshake(verifier *Verifier, server tls.Certificate, chain [][]byte) error {
	here, there := f.connected()
	defer here.Close()
	client := tls.Client(there, &tls.Config{
		InsecureSkipVerify: true, Time: testStart, // the client is the attacker
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: chain, PrivateKey: f.key}, nil
		},
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.HandshakeContext(context.Background())
		_, _ = client.Read(make([]byte, 1)) // takes the alert, or the end
		_ = there.Close()
	}()
	err := tls.Server(here, verifier.TLSConfig(&tls.Config{Certificates: []tls.Certificate{server}})).HandshakeContext(context.Background())
	_ = here.Close()
	<-done
	return err
}

// connected returns both ends of a connection that gives up after a while.
func (f *forger) connected() (here, there net.Conn) {
	f.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	defer listener.Close()
	if there, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		f.t.Fatal(err)
	}
	if here, err = listener.Accept(); err != nil {
		f.t.Fatal(err)
	}
	for _, c := range []net.Conn{here, there} {
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			f.t.Fatal(err)
		}
	}
	return here, there
}

// one is a forgery that differs from a good certificate by change.
func (f *forger) one(code Code, change func(*parts)) forgery {
	return forgery{chain: [][]byte{f.cert(change)}, code: code}
}

func (f *forger) unread(library string, change func(*parts)) forgery {
	return forgery{chain: [][]byte{f.cert(change)}, library: library}
}

// by returns a good certificate of another CA, and what it sends along.
func (f *forger) by(ca testCA, code Code, above ...testCA) forgery {
	chain := [][]byte{f.cert(func(p *parts) {
		p.issuer = ca.cert.RawSubject
		p.set(ext(extAKI, false, seq(tagged(0x80, ca.cert.SubjectKeyId))))
		p.sign = func(tbs []byte) []byte { return f.signWith(ca.key, tbs) }
	})}
	for _, a := range above {
		chain = append(chain, a.cert.Raw)
	}
	return forgery{chain: chain, code: code}
}

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

func (f *forger) keys() map[string]forgery {
	key := func(algorithm, bits []byte) func(*parts) {
		return func(p *parts) { p.spki = seq(algorithm, tagged(3, append([]byte{0}, bits...))) }
	}
	rsaKey := func(n, e *big.Int) func(*parts) {
		return key(seq(oid(1, 2, 840, 113549, 1, 1, 1), []byte{5, 0}),
			seq(der(func(b *cryptobyte.Builder) { b.AddASN1BigInt(n) }), der(func(b *cryptobyte.Builder) { b.AddASN1BigInt(e) })))
	}
	odd := func(bits uint) *big.Int { // a modulus of so many bits
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return n.SetBit(n, 0, 1)
	}
	f4 := big.NewInt(65537)
	ec := func(curve []byte, point []byte) func(*parts) {
		return key(seq(oid(1, 2, 840, 10045, 2, 1), curve), point)
	}
	on := func(curve elliptic.Curve) func(*parts) {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			f.t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			f.t.Fatal(err)
		}
		return func(p *parts) { p.spki = spki }
	}
	p256 := oid(1, 2, 840, 10045, 3, 1, 7)
	off := append([]byte{4}, make([]byte, 64)...)
	point := elliptic.MarshalCompressed(elliptic.P256(), f.key.X, f.key.Y)
	edwards := func(text string) func(*parts) {
		raw, err := hex.DecodeString(text)
		if err != nil {
			f.t.Fatal(err)
		}
		return key(algorithm(1, 3, 101, 112), raw)
	}
	real2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.t.Fatal(err)
	}
	return map[string]forgery{
		"RSA of 512 bits":           f.one(CodeKey, rsaKey(odd(512), f4)),
		"RSA of 1024 bits":          f.one(CodeKey, rsaKey(odd(1024), f4)),
		"RSA of 2047 bits":          f.one(CodeKey, rsaKey(odd(2047), f4)),
		"RSA of 2056 bits":          f.one(CodeKey, rsaKey(odd(2056), f4)),
		"RSA of 8192 bits":          f.one(CodeKey, rsaKey(odd(8192), f4)),
		"RSA with exponent 1":       f.one(CodeKey, rsaKey(real2048.N, big.NewInt(1))),
		"RSA with exponent 2":       f.one(CodeKey, rsaKey(real2048.N, big.NewInt(2))),
		"RSA with exponent 3":       f.one(CodeKey, rsaKey(real2048.N, big.NewInt(3))),
		"RSA with an even exponent": f.one(CodeKey, rsaKey(real2048.N, big.NewInt(65538))),
		"RSA with exponent 0":       f.unread("RSA", rsaKey(real2048.N, big.NewInt(0))),
		"RSA with a huge exponent":  f.unread("RSA", rsaKey(real2048.N, odd(100))),
		"RSA with an even modulus":  f.one(CodeKey, rsaKey(new(big.Int).Lsh(big.NewInt(1), 2047), f4)),
		"RSA, negative":             f.unread("RSA", rsaKey(new(big.Int).Neg(real2048.N), f4)),
		"RSASSA-PSS key":            f.one(CodeKey, key(algorithm(1, 2, 840, 113549, 1, 1, 10), x509.MarshalPKCS1PublicKey(&real2048.PublicKey))),
		"P-224":                     f.one(CodeKey, on(elliptic.P224())),
		"P-521":                     f.one(CodeKey, on(elliptic.P521())),
		"secp256k1":                 f.unread("curve", ec(oid(1, 3, 132, 0, 10), off)),
		"brainpoolP256r1":           f.unread("curve", ec(oid(1, 3, 36, 3, 3, 2, 8, 1, 1, 7), off)),
		"a curve in full":           f.unread("ECDSA parameters", ec(seq([]byte{2, 1, 1}), off)),
		"a point off the curve":     f.unread("curve", ec(p256, off)),
		"the point at infinity":     f.unread("public key", ec(p256, []byte{0})),
		"a compressed point":        f.unread("public key", ec(p256, point)),
		"Ed25519 of order 1":        f.one(CodeKey, edwards("0100000000000000000000000000000000000000000000000000000000000000")),
		"Ed25519 of order 2":        f.one(CodeKey, edwards("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")),
		"Ed25519 of order 4":        f.one(CodeKey, edwards("0000000000000000000000000000000000000000000000000000000000000080")),
		"Ed25519 of order 8":        f.one(CodeKey, edwards("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")),
		"Ed25519, cut short":        f.unread("Ed25519", edwards("0102")),
		"X25519":                    f.one(CodeKey, key(algorithm(1, 3, 101, 110), append(make([]byte, 31), 9))),
		"Ed448":                     f.one(CodeKey, key(algorithm(1, 3, 101, 113), make([]byte, 57))),
		"ML-DSA-44":                 f.one(CodeKey, key(algorithm(2, 16, 840, 1, 101, 3, 4, 3, 17), make([]byte, 1312))),
		"DSA":                       f.one(CodeKey, key(seq(oid(1, 2, 840, 10040, 4, 1), seq([]byte{2, 1, 23}, []byte{2, 1, 11}, []byte{2, 1, 4})), []byte{2, 1, 8})),
		"a key of unknown kind":     f.one(CodeKey, key(algorithm(1, 3, 6, 1, 4, 1, 99999, 3), []byte{1, 2, 3})),
	}
}

func (f *forger) names() map[string]forgery {
	san := func(names ...[]byte) func(*parts) { return func(p *parts) { p.set(ext(extSAN, false, seq(names...))) } }
	uri := func(text string) func(*parts) { return san(uriName(text)) }
	subject := func(n pkix.Name) func(*parts) { return func(p *parts) { p.subject = name(n) } }
	acme := []string{"Acme Pharma SA"}
	good, dns := uriName(goodURI), tagged(0x82, []byte("payments.example.com"))
	long := "spiffe://example.com/org/" + strings.Repeat("a", 2048) + "/service/payments-prod"
	return map[string]forgery{
		"no alternative name":               f.one(CodeNames, func(p *parts) { p.drop(extSAN) }),
		"a DNS name":                        f.one(CodeNames, san(dns)),
		"a DNS name too":                    f.one(CodeNames, san(good, dns)),
		"two URIs":                          f.one(CodeNames, san(good, uriName("spiffe://example.com/org/other/service/admin"))),
		"the same URI twice":                f.one(CodeNames, san(good, good)),
		"an e-mail address":                 f.one(CodeNames, san(tagged(0x81, []byte("a@example.com")))),
		"an IP address too":                 f.one(CodeNames, san(good, tagged(0x87, []byte{127, 0, 0, 1}))),
		"another kind of name too":          f.one(CodeNames, san(good, tagged(0xa0, append(oid(1, 2, 3), tagged(0xa0, tagged(12, []byte("admin")))...)))),
		"a directory name too":              f.one(CodeNames, san(tagged(0xa4, name(pkix.Name{CommonName: "admin"})), good)),
		"an https address":                  f.one(CodeSPIFFE, uri("https://example.com/org/acme/service/payments-prod")),
		"a SPIFFE ID with a port":           f.one(CodeSPIFFE, uri("spiffe://example.com:443/org/acme/service/payments-prod")),
		"a SPIFFE ID with a user":           f.one(CodeSPIFFE, uri("spiffe://me@example.com/org/acme/service/payments-prod")),
		"a SPIFFE ID with a query":          f.one(CodeSPIFFE, uri(goodURI+"?a=b")),
		"a SPIFFE ID with a fragment":       f.one(CodeSPIFFE, uri(goodURI+"#a")),
		"a SPIFFE ID with a slash behind":   f.one(CodeSPIFFE, uri(goodURI+"/")),
		"a SPIFFE ID with more":             f.one(CodeSPIFFE, uri(goodURI+"/admin")),
		"a SPIFFE ID without a service":     f.one(CodeSPIFFE, uri("spiffe://example.com/org/acme")),
		"a SPIFFE ID of a CA":               f.one(CodeSPIFFE, uri("spiffe://example.com")),
		"a SPIFFE ID of another shape":      f.one(CodeSPIFFE, uri("spiffe://example.com/service/payments-prod/org/acme")),
		"a SPIFFE ID that is escaped":       f.one(CodeSPIFFE, uri("spiffe://example.com/org/ac%6de/service/payments-prod")),
		"a SPIFFE ID with an escaped slash": f.one(CodeSPIFFE, uri("spiffe://example.com/org/acme%2Fservice/service/payments-prod")),
		"a SPIFFE ID with dots":             f.one(CodeSPIFFE, uri("spiffe://example.com/org/../service/payments-prod")),
		"a SPIFFE ID without a customer":    f.one(CodeSPIFFE, uri("spiffe://example.com/org//service/payments-prod")),
		"a SPIFFE ID in capitals":           f.one(CodeSPIFFE, uri("SPIFFE://example.com/org/acme/service/payments-prod")),
		"a trust domain in capitals":        f.one(CodeSPIFFE, uri("spiffe://Example.com/org/acme/service/payments-prod")),
		"no trust domain":                   f.one(CodeSPIFFE, uri("spiffe:///org/acme/service/payments-prod")),
		"a SPIFFE ID that is too long":      f.one(CodeSPIFFE, uri(long)),
		"a URI that is none":                f.unread("URI", uri("spiffe://exa mple.com/org")),
		"a URI with a zero byte":            f.unread("URI", uri(goodURI+"\x00")),
		"a URI that is not ASCII":           f.unread("uniformResourceIdentifier", uri("spiffe://exämple.com/org/acme/service/payments-prod")),
		"another trust domain":              f.one(CodeTrustDomain, uri("spiffe://example.org/org/acme/service/payments-prod")),
		"a trust domain below":              f.one(CodeTrustDomain, uri("spiffe://a.example.com/org/acme/service/payments-prod")),
		"a common name with a zero byte":    f.one(CodeSubject, func(p *parts) { p.subject = name(pkix.Name{Organization: acme, CommonName: "payments-prod\x00"}) }),
		"a common name of 65 characters":    f.one(CodeSubject, subject(pkix.Name{Organization: acme, CommonName: strings.Repeat("ä", 65)})),
		"a common name with a line break":   f.one(CodeSubject, subject(pkix.Name{Organization: acme, CommonName: "my\npage"})),
		"a common name that turns text":     f.one(CodeSubject, subject(pkix.Name{Organization: acme, CommonName: "my \u202epage"})),
		"a common name that nobody sees":    f.one(CodeSubject, subject(pkix.Name{Organization: acme, CommonName: "\u3164"})),
		"a common name with a space before": f.one(CodeSubject, subject(pkix.Name{Organization: acme, CommonName: " my page"})),
		"no common name":                    f.one(CodeSubject, subject(pkix.Name{Organization: acme})),
		"two common names": f.one(CodeSubject, subject(pkix.Name{Organization: acme, CommonName: "payments-prod", ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: acme[0]},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "admin"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "payments-prod"},
		}})),
		"no organisation":       f.one(CodeSubject, subject(pkix.Name{CommonName: "payments-prod"})),
		"two organisations":     f.one(CodeSubject, subject(pkix.Name{Organization: []string{"Acme Pharma SA", "Example"}, CommonName: "payments-prod"})),
		"an empty organisation": f.one(CodeSubject, subject(pkix.Name{Organization: []string{""}, CommonName: "payments-prod"})),
		"a unit too":            f.one(CodeSubject, subject(pkix.Name{Organization: acme, OrganizationalUnit: []string{"admin"}, CommonName: "payments-prod"})),
		"no subject":            f.one(CodeSubject, subject(pkix.Name{})),
	}
}
