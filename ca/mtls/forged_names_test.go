package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

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
