package ca

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	casapi "github.com/smallstep/certificates/cas/apiv1"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-ca/postern/issuance"
)

// authorityTamperer is a CAS that signs something other than it was asked for.
type authorityTamperer struct {
	casapi.CertificateAuthorityService
	before func(*x509.Certificate)
	after  func(*x509.Certificate) *x509.Certificate
}

func (s authorityTamperer) CreateCertificate(r *casapi.CreateCertificateRequest) (*casapi.CreateCertificateResponse, error) {
	if s.before != nil {
		s.before(r.Template)
	}
	answer, err := s.CertificateAuthorityService.CreateCertificate(r)
	if err == nil && s.after != nil {
		answer.Certificate = s.after(answer.Certificate)
	}
	return answer, err
}

func TestTamperingServiceIsCaught(t *testing.T) {
	a := authorityNew(t)
	other := authorityKey(t, issuance.P256).Public()
	extension := func(oid asn1.ObjectIdentifier, change func(*pkix.Extension)) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			for i := range c.ExtraExtensions {
				if c.ExtraExtensions[i].Id.Equal(oid) {
					change(&c.ExtraExtensions[i])
				}
			}
		}
	}
	id := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, n} }
	flip := func(e *pkix.Extension) { e.Value = slices.Clone(e.Value); e.Value[len(e.Value)-1] ^= 1 }
	critical := func(e *pkix.Extension) { e.Critical = !e.Critical }
	add := func(e pkix.Extension) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtraExtensions = append(slices.Clone(c.ExtraExtensions), e) }
	}
	tests := map[string]struct {
		before func(*x509.Certificate)
		want   string
	}{
		"serial":                {func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) }, "serial number"},
		"subject":               {func(c *x509.Certificate) { c.RawSubject = nil; c.Subject.CommonName = "root" }, "subject"},
		"subject with one more": {func(c *x509.Certificate) { c.RawSubject = authoritySubject(t, "payments-prod", "Ops") }, "subject"},
		"longer":                {func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }, "validity"},
		"earlier":               {func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Hour) }, "validity"},
		"another key":           {func(c *x509.Certificate) { c.PublicKey = other }, "public key"},
		"CA:TRUE":               {extension(id(19), func(e *pkix.Extension) { e.Value = []byte{0x30, 3, 1, 1, 0xff} }), "extension 2.5.29.19"},
		"key usage":             {extension(id(15), func(e *pkix.Extension) { e.Value = []byte{3, 2, 1, 6} }), "extension 2.5.29.15"},
		"key usage not critical": {
			extension(id(15), critical), "extension 2.5.29.15",
		},
		"serverAuth": {extension(id(37), func(e *pkix.Extension) { e.Value = a.current().profile.serverAuth.Value }), "extension 2.5.29.37"},
		"SAN":        {extension(id(17), flip), "extension 2.5.29.17"},
		"a second SAN": {extension(id(17), func(e *pkix.Extension) {
			e.Value = subjectAltName([]generalName{{tagURI, []byte("spiffe://example.com/org/acme/service/payments-prod")}, {tagDNSName, []byte("example.com")}}).Value
		}), "extension 2.5.29.17"},
		"SKI":                 {extension(id(14), flip), "extension 2.5.29.14"},
		"AKI":                 {extension(id(35), flip), "extension 2.5.29.35"},
		"CRL address":         {extension(id(31), flip), "extension 2.5.29.31"},
		"OCSP address":        {extension(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}, flip), "extension 1.3.6.1.5.5.7.1.1"},
		"one extension more":  {add(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}), "number of extensions"},
		"one extension less":  {func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[1:] }, "number of extensions"},
		"extensions by field": {func(c *x509.Certificate) { c.ExtraExtensions = nil; c.URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}} }, "number of extensions"},
	}
	is := a.current()
	// The lints would refuse most of these: what is tested here is what comes after them.
	soft, err := newService(is.Certificate, a.root, authorityKeyOf(t, a, is.Issuer))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			is.service = authorityTamperer{CertificateAuthorityService: soft, before: test.before}
			_, err := a.Sign(context.Background(), authorityProfile(authorityKey(t, issuance.P256).Public()))
			if err == nil || !strings.Contains(err.Error(), "differs from the profile: "+test.want) {
				t.Errorf("got error %v, want one about %s", err, test.want)
			}
		})
	}
	is.service = authorityTamperer{CertificateAuthorityService: soft}
	if _, err := a.Sign(context.Background(), authorityProfile(other)); err != nil {
		t.Errorf("another service that does as it is told: %v", err)
	}
	is.service = authorityTamperer{CertificateAuthorityService: soft, before: func(c *x509.Certificate) { c.SerialNumber = big.NewInt(1) }}
	if _, err := a.ServerCertificate(context.Background(), ServerProfile{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Validity: time.Hour}); err == nil {
		t.Error("a server certificate with another serial number was taken")
	}
}

func authoritySubject(t *testing.T, name, unit string) []byte {
	t.Helper()
	der, err := asn1.Marshal(pkix.Name{Organization: []string{"Acme Pharma SA"}, OrganizationalUnit: []string{unit}, CommonName: name}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestTamperingAfterSigningIsCaught(t *testing.T) {
	a := authorityNew(t)
	p := authorityProfile(authorityKey(t, issuance.P256).Public())
	mallory := authorityOther(t)
	parse := func(der []byte) *x509.Certificate { return &x509.Certificate{Raw: der} }
	tests := map[string]func(*x509.Certificate) *x509.Certificate{
		"nothing":         func(*x509.Certificate) *x509.Certificate { return nil },
		"rubbish":         func(*x509.Certificate) *x509.Certificate { return parse([]byte("rubbish")) },
		"wrong signature": func(c *x509.Certificate) *x509.Certificate { c.Raw[len(c.Raw)-1] ^= 1; return parse(c.Raw) },
		"another CA's":    func(*x509.Certificate) *x509.Certificate { return authoritySign(t, mallory, p) },
		"a certificate of before": func(*x509.Certificate) *x509.Certificate {
			return a.Issuers()[0].Certificate
		},
		"fields that the bytes do not have": func(c *x509.Certificate) *x509.Certificate {
			d := *c
			d.Raw = slices.Clone(mallory.Root().Raw)
			return &d
		},
		"a unique identifier": func(c *x509.Certificate) *x509.Certificate { return authorityWithUniqueID(t, a, c) },
		"another hash": func(c *x509.Certificate) *x509.Certificate {
			return authorityAgain(t, a, c, x509.ECDSAWithSHA512, false)
		},
		"another CA's name": func(c *x509.Certificate) *x509.Certificate {
			return authorityAgain(t, a, c, x509.ECDSAWithSHA256, true)
		},
	}
	is := a.current()
	soft := is.service
	for name, after := range tests {
		t.Run(name, func(t *testing.T) {
			is.service = authorityTamperer{CertificateAuthorityService: soft, after: after}
			if _, err := a.Sign(context.Background(), p); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

// authorityWithUniqueID signs c again with a subjectUniqueID, which the standard
// library's parser passes over.
func authorityWithUniqueID(t *testing.T, a *Authority, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	var fields cryptobyte.String
	var extensions cryptobyte.String
	tbs := cryptobyte.String(c.RawTBSCertificate)
	tag3 := cbasn1.Tag(3).ContextSpecific().Constructed()
	if !tbs.ReadASN1(&fields, cbasn1.SEQUENCE) {
		t.Fatal("the certificate has no fields")
	}
	before := fields
	fields.SkipASN1(cbasn1.Tag(0).ContextSpecific().Constructed())
	fields.SkipASN1(cbasn1.INTEGER)
	for range 5 {
		fields.SkipASN1(cbasn1.SEQUENCE)
	}
	before = before[:len(before)-len(fields)]
	if !fields.ReadASN1Element(&extensions, tag3) {
		t.Fatal("the certificate has no extensions")
	}
	body := sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(before)
		b.AddASN1(cbasn1.Tag(2).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte{0, 0xaa}) })
		b.AddBytes(extensions)
	})
	return authorityAssemble(t, a, body, c)
}

// authorityAgain signs c again: with another algorithm, or in another CA's name.
func authorityAgain(t *testing.T, a *Authority, c *x509.Certificate, algorithm x509.SignatureAlgorithm, renamed bool) *x509.Certificate {
	t.Helper()
	template := *c
	template.ExtraExtensions, template.SignatureAlgorithm = c.Extensions, algorithm
	is := a.Issuers()[0]
	parent := is.Certificate
	if renamed {
		parent = authorityRenamed(is)
	}
	return authorityBare(t, &template, parent, c.PublicKey, authorityKeyOf(t, a, is))
}

// authorityAssemble signs body with the algorithm of c.
func authorityAssemble(t *testing.T, a *Authority, body []byte, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	signature, err := crypto.SignMessage(authorityKeyOf(t, a, a.Issuers()[0]), rand.Reader, body, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	der := sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(body)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2})
		})
		b.AddASN1BitString(signature)
	})
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.CheckSignatureFrom(a.Issuers()[0].Certificate); err != nil {
		t.Fatalf("the forgery is not a good one: %v", err)
	}
	return parsed
}

// authorityBadKey is a key that signs with another than it says it is.
type authorityBadKey struct{ crypto.Signer }

func (k authorityBadKey) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	digest = slices.Clone(digest)
	digest[0] ^= 1
	return k.Signer.Sign(r, digest, o)
}

// TestTamperingKeyIsCaught is what receive relies on: softcas itself returns
// nothing that its key has not signed.
func TestTamperingKeyIsCaught(t *testing.T) {
	a := authorityNew(t)
	is := a.current()
	soft, err := newService(is.Certificate, a.root, authorityBadKey{is.Signer})
	if err != nil {
		t.Fatal(err)
	}
	is.service = soft
	if _, err := a.Sign(context.Background(), authorityProfile(authorityKey(t, issuance.P256).Public())); err == nil {
		t.Error("a certificate with a wrong signature was taken")
	}
}
