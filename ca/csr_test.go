package ca

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// authorityCSRCase is a request and the reason why it is refused; "" if its key
// is certified, under our profile.
type authorityCSRCase struct {
	csr  []byte
	want string
}

// TestHostileCSRs refuses each request for its own reason, or certifies its key
// and nothing else of it.
func TestHostileCSRs(t *testing.T) {
	a := authorityNew(t)
	f := newAuthorityForger(t)
	cases := map[string]authorityCSRCase{}
	for _, group := range []map[string]authorityCSRCase{
		authorityDecoratedCSRs(f), authorityArmouredCSRs(f), authorityStructuralCSRs(f), authorityRSACSRs(f), authorityCurveCSRs(f), authoritySignatureCSRs(f),
	} {
		for name, c := range group {
			if _, twice := cases[name]; twice {
				t.Fatalf("two cases are called %q", name)
			}
			cases[name] = c
		}
	}
	if len(cases) < 60 {
		t.Fatalf("%d hostile CSRs, want 60 or more", len(cases))
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			key, err := ReadCSR(c.csr)
			if c.want != "" {
				authorityCheckRefusal(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p := authorityProfile(key)
			cert := authoritySign(t, a, p)
			authorityCheckClient(t, a, p, cert)
			authorityCheckText(t, cert)
		})
	}
	t.Logf("%d hostile CSRs", len(cases))
}

func authorityCheckRefusal(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("it was accepted, want refusal: %s", want)
	}
	got := authorityError(t, err)
	if got.Kind != issuance.Invalid || got.Code != issuance.CodeCSR || got.Field != "csr" {
		t.Errorf("got kind %v, code %s, field %q", got.Kind, got.Code, got.Field)
	}
	if !strings.Contains(got.Message, want) || len(got.Message) > 300 {
		t.Errorf("got reason %q, want one with %q", got.Message, want)
	}
}

// authorityCheckText looks at a certificate with OpenSSL's eyes.
func authorityCheckText(t *testing.T, cert *x509.Certificate) {
	t.Helper()
	text := authorityRun(t, certificatePEM(cert), "openssl", "x509", "-noout", "-text", "-nameopt", "RFC2253")
	for _, want := range []string{
		"Subject: CN=payments-prod,O=Acme Pharma SA\n", "Issuer: CN=Client Issuing CA 1,O=Example Bank AG\n", "CA:FALSE\n",
		"X509v3 Key Usage: critical\n                Digital Signature\n", "TLS Web Client Authentication\n",
		"URI:spiffe://example.com/org/acme/service/payments-prod\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not print %q:\n%s", want, text)
		}
	}
	for _, never := range []string{"CA:TRUE", "DNS:", "email:", "IP Address:", "DirName:", "othername:", "Code Signing", "admin", "evil", "Certificate Sign"} {
		if strings.Contains(text, never) {
			t.Errorf("openssl prints %q:\n%s", never, text)
		}
	}
}

// authorityDecoratedCSRs ask for what they do not get.
func authorityDecoratedCSRs(f authorityForger) map[string]authorityCSRCase {
	id := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, n} }
	subject := func(n pkix.Name) []byte {
		return f.pem(func(r *x509.CertificateRequest) { r.Subject = n })
	}
	rawName := func(value []byte) []byte {
		return f.forge(authorityForgery{subject: slices.Concat([]byte{0x30, byte(len(value) + 11), 0x31, byte(len(value) + 9), 0x30, byte(len(value) + 7), 6, 3, 0x55, 4, 3, 0x0c, byte(len(value))}, value)})
	}
	challenge := authorityAttribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}, []byte{0x0c, 6, 's', 'e', 'c', 'r', 'e', 't'})
	windows := authorityAttribute(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 13, 2, 3}, []byte{0x16, 5, '1', '0', '.', '0', '.'})
	return map[string]authorityCSRCase{
		"CA:TRUE":                 {f.with(pkix.Extension{Id: id(19), Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}), ""},
		"CA:TRUE, path length 9":  {f.with(pkix.Extension{Id: id(19), Critical: true, Value: []byte{0x30, 6, 1, 1, 0xff, 2, 1, 9}}), ""},
		"key usage for a CA":      {f.with(pkix.Extension{Id: id(15), Critical: true, Value: []byte{3, 2, 1, 6}}), ""},
		"serverAuth, codeSigning": {f.with(pkix.Extension{Id: id(37), Value: []byte{0x30, 20, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3}}), ""},
		"OCSPSigning":             {f.with(pkix.Extension{Id: id(37), Value: []byte{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 9}}), ""},
		"ocsp-nocheck":            {f.with(pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}), ""},
		"name constraints":        {f.with(pkix.Extension{Id: id(30), Critical: true, Value: []byte{0x30, 0}}), ""},
		"any policy":              {f.with(pkix.Extension{Id: id(32), Value: []byte{0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0}}), ""},
		"an unknown critical extension": {
			f.with(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte("evil")}), "",
		},
		"its own key identifiers": {f.with(pkix.Extension{Id: id(14), Value: []byte{4, 1, 1}}, pkix.Extension{Id: id(35), Value: []byte{0x30, 0}}), ""},
		"its own CRL address":     {f.with(pkix.Extension{Id: id(31), Value: distributionPoint("http://evil.example").Value}), ""},
		"another subject":         {subject(pkix.Name{CommonName: "admin", Organization: []string{"evil"}, OrganizationalUnit: []string{"Ops"}}), ""},
		"the CA's own subject":    {subject(pkix.Name{CommonName: "Client Issuing CA 1", Organization: []string{"Example Bank AG"}}), ""},
		"an empty subject":        {f.forge(authorityForgery{}), ""},
		"a subject of 40 kB":      {subject(pkix.Name{CommonName: strings.Repeat("evil", 10_000)}), ""},
		"a subject with markup":   {subject(pkix.Name{CommonName: `<script>evil()</script>'; DROP TABLE orders;--`}), ""},
		"emoji and right-to-left": {subject(pkix.Name{CommonName: "\u202eevil\U0001F600"}), ""},
		"NUL in a name":           {rawName([]byte("good.example\x00.evil.example")), ""},
		"line breaks in a name":   {rawName([]byte("a\r\nCN=admin")), ""},
		"names of others": {f.pem(func(r *x509.CertificateRequest) {
			r.DNSNames, r.EmailAddresses = []string{"admin.example.com", "*.example.com"}, []string{"admin@example.com"}
			r.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1)}
		}), ""},
		"another's SPIFFE ID": {f.pem(func(r *x509.CertificateRequest) {
			r.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.com", Path: "/org/other/service/admin"}}
		}), ""},
		"a SAN that cannot be read": {f.with(pkix.Extension{Id: id(17), Value: []byte("rubbish")}), ""},
		"duplicate extensions":      {f.with(pkix.Extension{Id: id(15), Value: []byte{3, 2, 1, 6}}, pkix.Extension{Id: id(15), Value: []byte{3, 2, 7, 0x80}}), ""},
		"a challenge password":      {f.forge(authorityForgery{attributes: challenge}), ""},
		"Windows' attributes":       {f.forge(authorityForgery{attributes: windows}), ""},
	}
}

// authorityArmouredCSRs play with PEM and with what is inside.
func authorityArmouredCSRs(f authorityForger) map[string]authorityCSRCase {
	der := f.der(f.key, nil)
	good := authorityCSRPEM(der)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	root := authorityNew(f.t).Root()
	utf16 := []byte{0xff, 0xfe}
	for _, c := range good {
		utf16 = append(utf16, c, 0)
	}
	withHeader := bytes.Replace(good, []byte("REQUEST-----\n"), []byte("REQUEST-----\nProc-Type: 4,ENCRYPTED\n\n"), 1)
	return map[string]authorityCSRCase{
		"PEM":                      {good, ""},
		"DER":                      {der, ""},
		"NEW CERTIFICATE REQUEST":  {authorityPEM("NEW CERTIFICATE REQUEST", der), ""},
		"text before the block":    {append([]byte("Certificate Request:\n    Data: ...\n"), good...), ""},
		"lines of Windows":         {bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")), ""},
		"empty":                    {nil, "is empty"},
		"spaces":                   {[]byte(" \r\n\t "), "is empty"},
		"text":                     {[]byte("please give me a certificate"), "neither PEM nor DER"},
		"NUL bytes":                {make([]byte, 500), "neither PEM nor DER"},
		"bare base64":              {[]byte("MIIBIjANBgkqhkiG9w0BAQEF"), "neither PEM nor DER"},
		"UTF-16":                   {utf16, "UTF-16"},
		"1 MB":                     {bytes.Repeat([]byte("A"), 1<<20), "larger than 64 kB"},
		"1 MB in PEM":              {authorityCSRPEM(make([]byte, 1<<20)), "larger than 64 kB"},
		"one byte over 64 kB":      {append(slices.Clone(good), bytes.Repeat([]byte("\n"), maxCSR+1-len(good))...), "larger than 64 kB"},
		"PEM rubbish":              {[]byte("-----BEGIN CERTIFICATE REQUEST-----\n!!!!\n-----END CERTIFICATE REQUEST-----\n"), "PEM block is broken"},
		"PEM cut off":              {good[:len(good)/2], "PEM block is broken"},
		"PEM without an end":       {[]byte("-----BEGIN CERTIFICATE REQUEST-----"), "PEM block is broken"},
		"PEM of nothing":           {authorityCSRPEM(nil), "is not DER"},
		"PEM of rubbish":           {authorityCSRPEM([]byte("rubbish")), "is not DER"},
		"two blocks":               {slices.Concat(good, good), "more than one PEM block"},
		"a CSR and its key":        {slices.Concat(good, authorityPEM("PRIVATE KEY", pkcs8)), "contains a private key"},
		"something after the PEM":  {append(slices.Clone(good), "rm -rf"...), "something after its PEM block"},
		"PEM headers":              {withHeader, "has headers"},
		"a certificate":            {certificatePEM(root), "not a CERTIFICATE REQUEST"},
		"a certificate in DER":     {root.Raw, "is a certificate"},
		"a certificate's armour":   {authorityCSRPEM(root.Raw), "is a certificate"},
		"a private key":            {authorityPEM("PRIVATE KEY", pkcs8), "contains a private key"},
		"an EC private key":        {authorityPEM("EC PRIVATE KEY", pkcs8), "contains a private key"},
		"an encrypted private key": {authorityPEM("ENCRYPTED PRIVATE KEY", pkcs8), "contains a private key"},
		"an OpenSSH private key":   {authorityPEM("OPENSSH PRIVATE KEY", pkcs8), "contains a private key"},
		"a private key in DER":     {pkcs8, "contains a private key"},
		"a public key":             {authorityPEM("PUBLIC KEY", f.spki()), "not a CERTIFICATE REQUEST"},
		"PKCS #7":                  {authorityPEM("PKCS7", []byte{0x30, 0}), "not a CERTIFICATE REQUEST"},
	}
}

// authorityStructuralCSRs are not what DER and RFC 2986 say.
func authorityStructuralCSRs(f authorityForger) map[string]authorityCSRCase {
	der := f.der(f.key, nil)
	indefinite := slices.Concat([]byte{0x30, 0x80}, der[3:], []byte{0, 0})
	longLength := slices.Concat([]byte{0x30, 0x83, 0, 0}, der[2:])
	return map[string]authorityCSRCase{
		"an empty sequence":     {[]byte{0x30, 0}, "is not a PKCS #10 request"},
		"cut off":               {der[:len(der)-1], "is not DER"},
		"bytes after the end":   {append(slices.Clone(der), 0), "more bytes after its end"},
		"in PEM, bytes after":   {authorityCSRPEM(append(slices.Clone(der), 0x30, 0)), "more bytes after its end"},
		"indefinite length":     {indefinite, "is not DER"},
		"a length too long":     {longLength, "is not DER"},
		"a length of 4 GB":      {[]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0}, "is not DER"},
		"nested a thousandfold": {bytes.Repeat([]byte{0x30, 0x82, 0x10, 0}, 1000), "is not DER"},
		"version 2":             {f.forge(authorityForgery{version: []byte{2, 1, 1}}), "is not PKCS #10 version 1"},
		"a negative version":    {f.forge(authorityForgery{version: []byte{2, 1, 0xff}}), "is not PKCS #10 version 1"},
		"a huge version":        {f.forge(authorityForgery{version: append([]byte{2, 20, 1}, make([]byte, 19)...)}), "is not PKCS #10 version 1"},
		"no version":            {f.forge(authorityForgery{version: []byte{}}), "is not a PKCS #10 request"},
		"no subject":            {f.forge(authorityForgery{subject: []byte{}}), "is not a PKCS #10 request"},
		"no public key":         {f.forge(authorityForgery{spki: []byte{}}), "is not a PKCS #10 request"},
		"an empty public key":   {f.forge(authorityForgery{spki: []byte{0x30, 0}}), "its public key cannot be read"},
		"attributes of rubbish": {f.forge(authorityForgery{attributes: []byte{0xa0, 3, 0x30, 1, 5}}), ""},
		"a subject of rubbish":  {f.forge(authorityForgery{subject: []byte{0x30, 3, 1, 1, 1}}), ""},
	}
}

// authorityRSACSRs have RSA keys of all kinds; those that can have a right signature have it.
func authorityRSACSRs(f authorityForger) map[string]authorityCSRCase {
	p, q, e := f.prime(1024), f.prime(1024), big.NewInt(65537)
	n := new(big.Int).Mul(p, q)
	seven := big.NewInt(7)
	huge, _ := new(big.Int).SetString("ffffffffffffffffffffffffffffffffffffffffffff01", 16)
	even := new(big.Int).SetBit(n, 0, 0)
	odd := func(bits uint) *big.Int {
		x := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return x.SetBit(x, 0, 1)
	}
	rubbish := f.forge(authorityForgery{spki: authoritySPKI(authorityOIDs().rsa, []byte{5, 0}, []byte("rubbish"))})
	return map[string]authorityCSRCase{
		"RSA-2048":               {f.der(authorityKey(f.t, issuance.RSA2048), nil), ""},
		"RSA-3072":               {f.der(authorityKey(f.t, issuance.RSA3072), nil), ""},
		"RSA-4096":               {f.der(authorityKey(f.t, issuance.RSA4096), nil), ""},
		"RSA-2048, home-made":    {f.rsaFactors(p, q, 65537), ""},
		"RSA-512":                {f.openssl([]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512"}), "has 512 bits"},
		"RSA-1024":               {f.openssl([]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"}), "has 1024 bits"},
		"RSA of 2047 bits":       {f.rsaRaw(odd(2047), e, nil), "has 2047 bits"},
		"RSA of 2056 bits":       {f.rsaRaw(odd(2056), e, nil), "has 2056 bits"},
		"RSA-8192":               {f.rsaRaw(odd(8192), e, nil), "has 8192 bits"},
		"RSA of 400,000 bits":    {f.rsaRaw(odd(400_000), e, nil), "has 400000 bits"},
		"RSA, e = 1":             {f.rsaFactors(p, q, 1), "exponent is less than 65537"},
		"RSA, e = 2":             {f.rsaRaw(n, big.NewInt(2), nil), "exponent is less than 65537"},
		"RSA, e = 3":             {f.openssl([]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"}), "exponent is less than 65537"},
		"RSA, e = 0":             {f.rsaRaw(n, new(big.Int), nil), "exponent is less than 65537"},
		"RSA, e = -65537":        {f.rsaRaw(n, big.NewInt(-65537), nil), "exponent is less than 65537"},
		"RSA, e even":            {f.rsaRaw(n, big.NewInt(65538), nil), "exponent is even"},
		"RSA, e of 32 bits":      {f.rsaRaw(n, big.NewInt(1<<32+1), nil), "exponent is larger"},
		"RSA, e huge":            {f.rsaRaw(n, huge, nil), "exponent is larger"},
		"RSA, n = 0":             {f.rsaRaw(new(big.Int), e, nil), "is not positive"},
		"RSA, n negative":        {f.rsaRaw(new(big.Int).Neg(n), e, nil), "is not positive"},
		"RSA, n even":            {f.rsaRaw(even, e, nil), "modulus is even"},
		"RSA, n with a factor 7": {f.rsaFactors(seven, f.prime(2045), 65537), "small factor"},
		"RSA, n prime":           {f.rsaRaw(f.prime(2048), e, nil), "is a prime number"},
		"RSA, n a square":        {f.rsaFactors(p, p, 65537), "too close together"},
		"RSA, close primes":      {f.rsaFactors(p, authorityNextPrime(p), 65537), "too close together"},
		"RSA, ROCA":              {f.rsaRaw(f.rocaModulus(), e, nil), "ROCA"},
		"RSA, rubbish":           {rubbish, "RSA numbers cannot be read"},
	}
}

// authorityCurveCSRs have keys on curves, and of algorithms that are not ours.
func authorityCurveCSRs(f authorityForger) map[string]authorityCSRCase {
	oids := authorityOIDs()
	point := f.spki()[len(f.spki())-65:]
	off := slices.Clone(point)
	off[64] ^= 1
	hybrid := slices.Clone(point)
	hybrid[0] = 6 | point[64]&1
	beyond := slices.Concat([]byte{4}, bytes.Repeat([]byte{0xff}, 64))
	x, y := new(big.Int).SetBytes(point[1:33]), new(big.Int).SetBytes(point[33:])
	//nolint:staticcheck // the old package is the one that compresses
	compressed := elliptic.MarshalCompressed(elliptic.P256(), x, y)
	spki := func(oid asn1.ObjectIdentifier, parameters, key []byte) []byte {
		return f.forge(authorityForgery{spki: authoritySPKI(oid, parameters, key)})
	}
	openssl := func(curve string) []byte {
		return f.openssl([]string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve})
	}
	cases := map[string]authorityCSRCase{
		"P-384":                  {f.der(authorityKey(f.t, issuance.P384), nil), ""},
		"Ed25519":                {f.der(authorityKey(f.t, issuance.Ed25519), nil), ""},
		"P-224":                  {openssl("P-224"), "P-224, is neither"},
		"P-521":                  {openssl("P-521"), "P-521, is neither"},
		"P-192":                  {openssl("P-192"), "P-192, is neither"},
		"secp256k1":              {openssl("secp256k1"), "secp256k1, is neither"},
		"brainpoolP256r1":        {openssl("brainpoolP256r1"), "brainpoolP256r1, is neither"},
		"sect283k1":              {openssl("sect283k1"), "number 1.3.132.0.16, is neither"},
		"explicit parameters":    {f.openssl([]string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"}), "not a named one"},
		"no curve":               {spki(oids.ec, nil, point), "not a named one"},
		"NULL for a curve":       {spki(oids.ec, []byte{5, 0}, point), "not a named one"},
		"point off the curve":    {f.ec(oids.p256, off), "does not lie on the curve"},
		"point beyond the field": {f.ec(oids.p256, beyond), "does not lie on the curve"},
		"point of zeros":         {f.ec(oids.p256, append([]byte{4}, make([]byte, 64)...)), "does not lie on the curve"},
		"point at infinity":      {f.ec(oids.p256, []byte{0}), "at infinity"},
		"no point":               {f.ec(oids.p256, nil), "at infinity"},
		"compressed point":       {f.ec(oids.p256, compressed), "is compressed"},
		"hybrid point":           {f.ec(oids.p256, hybrid), "does not lie on the curve"},
		"point of another curve": {f.ec(oids.p384, point), "does not lie on the curve"},
		"point too long":         {f.ec(oids.p256, append(slices.Clone(point), 0)), "does not lie on the curve"},
		"DSA":                    {f.dsa(), "DSA, is not accepted"},
		"RSA-PSS key":            {f.openssl([]string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"}), "RSA-PSS, is not accepted"},
		"Ed448":                  {f.openssl([]string{"-algorithm", "ED448"}), "Ed448, is not accepted"},
		"X25519":                 {spki(asn1.ObjectIdentifier{1, 3, 101, 110}, nil, make([]byte, 32)), "X25519, is not accepted"},
		"ML-DSA-65":              {spki(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 18}, nil, make([]byte, 1952)), "ML-DSA-65, is not accepted"},
		"an unknown algorithm":   {spki(asn1.ObjectIdentifier{1, 2, 3}, nil, []byte{1}), "number 1.2.3, is not accepted"},
		"Ed25519, 31 bytes":      {spki(oids.ed25519, nil, make([]byte, 31)), "does not have 32 bytes"},
		"Ed25519 with NULL":      {spki(oids.ed25519, []byte{5, 0}, bytes.Repeat([]byte{9}, 32)), "cannot be read"},
	}
	for _, point := range authoritySmallOrder() {
		cases["Ed25519 point "+hex.EncodeToString(point[:2])+hex.EncodeToString(point[31:])] = authorityCSRCase{f.smallOrder(point), "small order"}
	}
	return cases
}

// authoritySignatureCSRs have signatures that prove nothing.
func authoritySignatureCSRs(f authorityForger) map[string]authorityCSRCase {
	der := f.der(f.key, nil)
	flipped := slices.Clone(der)
	flipped[len(flipped)-1] ^= 1
	swapped := bytes.Replace(der, []byte("client"), []byte("admins"), 1)
	stranger := authorityKey(f.t, issuance.P256)
	constant := func(b []byte) func([]byte) []byte { return func([]byte) []byte { return b } }
	rsa := []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	ec := []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}
	return map[string]authorityCSRCase{
		"wrong signature":         {flipped, "its signature is wrong"},
		"changed after signing":   {swapped, "its signature is wrong"},
		"an empty signature":      {f.forge(authorityForgery{sign: constant(nil)}), "its signature is wrong"},
		"a signature of zeros":    {f.forge(authorityForgery{sign: constant([]byte{0x30, 6, 2, 1, 0, 2, 1, 0})}), "its signature is wrong"},
		"a signature too long":    {f.forge(authorityForgery{sign: func(tbs []byte) []byte { return append(f.sign(tbs), 0) }}), "its signature is wrong"},
		"another's signature":     {f.forge(authorityForgery{sign: authorityForger{f.t, stranger}.sign}), "its signature is wrong"},
		"RSA's algorithm on EC":   {f.forge(authorityForgery{algorithm: authorityAlgorithm(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, []byte{5, 0})}), "its signature is wrong"},
		"an unknown signature":    {f.forge(authorityForgery{algorithm: authorityAlgorithm(asn1.ObjectIdentifier{1, 2, 3}, nil)}), "unknown algorithm"},
		"MD5":                     {f.openssl(rsa, "-md5"), "insecure hash, MD5-RSA"},
		"SHA-1 with RSA":          {f.openssl(rsa, "-sha1"), "insecure hash, SHA1-RSA"},
		"SHA-1 with ECDSA":        {f.openssl(ec, "-sha1"), "insecure hash, ECDSA-SHA1"},
		"SHA-224":                 {f.openssl(ec, "-sha224"), "unknown algorithm"},
		"SHA-512":                 {f.openssl(ec, "-sha512"), ""},
		"PSS":                     {f.openssl(rsa, "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"), ""},
		"OpenSSL with extensions": {f.openssl(ec, "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "subjectAltName=DNS:admin.example,otherName:1.2.3.4;UTF8:evil"), ""},
	}
}

// authoritySmallOrder returns Ed25519 points of small order in all the ways to write them.
func authoritySmallOrder() [][32]byte {
	var out [][32]byte
	for _, s := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, _ := hex.DecodeString(s)
		point := [32]byte(b)
		out = append(out, point)
		point[31] |= 0x80
		out = append(out, point)
	}
	return out
}

// smallOrder returns a request for a point that has no private key, with a
// signature that the standard library takes for right wherever it takes the point.
func (f authorityForger) smallOrder(point [32]byte) []byte {
	spki := authoritySPKI(authorityOIDs().ed25519, nil, point[:])
	for i := range 2000 {
		subject := slices.Concat([]byte{0x30, 19, 0x31, 17, 0x30, 15, 6, 3, 0x55, 4, 3, 0x0c, 8}, []byte(hex.EncodeToString([]byte{byte(i >> 8), byte(i), 0, 0})))
		der := f.forge(authorityForgery{
			subject: subject, spki: spki, algorithm: authorityAlgorithm(authorityOIDs().ed25519, nil),
			// R of order 1 and S of 0: it holds whenever the hash times the point is neutral too.
			sign: func([]byte) []byte { return append([]byte{1}, make([]byte, 63)...) },
		})
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil {
			f.t.Fatal(err)
		}
		if csr.CheckSignature() == nil {
			return der
		}
	}
	f.t.Fatalf("no signature found for the point %x", point)
	return nil
}
