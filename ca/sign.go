package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	casapi "github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/cas/softcas"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-ca/postern/ca/mtls"
	"github.com/postern-ca/postern/issuance"
)

// Sign implements [issuance.Signer]. The certificate follows RFC 5280 and contains
// only p and the addresses of CRL, OCSP and issuer. Its validity is never
// shortened: a NotAfter beyond the issuing CA's is an error of kind Invalid.
func (a *Authority) Sign(ctx context.Context, p issuance.Profile) (issuance.Signed, error) {
	if err := ctx.Err(); err != nil {
		return issuance.Signed{}, err
	}
	if err := checkClientProfile(p); err != nil {
		return issuance.Signed{}, fmt.Errorf("signing %s: %w", p.Serial, err)
	}
	is := a.current()
	subject := pkix.Name{Organization: []string{p.OrganizationName}, CommonName: p.ServiceName, SerialNumber: p.Distinction}
	l, err := newLeaf(p.Serial.Int(), subject, p.Key)
	if err != nil {
		return issuance.Signed{}, fmt.Errorf("signing %s: %w", p.Serial, err)
	}
	l.notBefore, l.notAfter = p.NotBefore.UTC().Truncate(time.Second), p.NotAfter.UTC().Truncate(time.Second)
	l.extensions = is.profile.client("spiffe://"+a.trustDomain+"/org/"+string(p.Organization)+"/service/"+p.Service, l)
	cert, err := is.sign(l)
	if err != nil {
		return issuance.Signed{}, fmt.Errorf("signing %s: %w", p.Serial, err)
	}
	sum := sha256.Sum256(cert.Raw)
	return issuance.Signed{
		DER: cert.Raw, Issuer: is.ID, Fingerprint: hex.EncodeToString(sum[:]), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
	}, nil
}

// checkClientProfile refuses what must not stand in a certificate, whoever asks.
func checkClientProfile(p issuance.Profile) error {
	if n := p.Serial.Int(); n.Sign() <= 0 || n.BitLen() > 159 {
		return errors.New("the serial number is not positive, or longer than 20 bytes")
	}
	if err := checkOrganizationName(p.OrganizationName); err != nil {
		return fmt.Errorf("the organisation's name %w", err)
	}
	if !mtls.PathSegment(string(p.Organization)) || !mtls.PathSegment(p.Service) {
		return errors.New("the short name of the organisation or the identifier of the service cannot stand in a SPIFFE ID")
	}
	if !mtls.CommonName(p.ServiceName) {
		return errors.New("the service's name is not 1 to 64 visible characters")
	}
	_, err := KeyAlgorithmOf(p.Key)
	return err
}

// leaf is everything that a certificate is to be, but for its issuer's part.
type leaf struct {
	serial     *big.Int
	subject    []byte // DER
	notBefore  time.Time
	notAfter   time.Time
	key        crypto.PublicKey
	spki       []byte // SubjectPublicKeyInfo, DER
	keyID      []byte
	extensions []pkix.Extension
}

func newLeaf(serial *big.Int, subject pkix.Name, key crypto.PublicKey) (leaf, error) {
	name, err := asn1.Marshal(subject.ToRDNSequence())
	if err != nil {
		return leaf{}, fmt.Errorf("encoding the subject: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return leaf{}, fmt.Errorf("encoding the public key: %w", err)
	}
	keyID, err := keyIDOf(spki)
	if err != nil {
		return leaf{}, err
	}
	return leaf{serial: serial, subject: name, key: key, spki: spki, keyID: keyID}, nil
}

// sign makes l a certificate, and compares it with l before anybody sees it.
func (is *issuing) sign(l leaf) (*x509.Certificate, error) {
	if !l.notAfter.After(l.notBefore) {
		return nil, issuance.Invalidf("not_after", "is not after not_before", "choose a longer validity")
	}
	if end := is.Certificate.NotAfter; l.notAfter.After(end) {
		return nil, issuance.Invalidf("not_after",
			"is after the expiry of the issuing CA, "+end.Format(time.DateOnly),
			"choose a shorter validity")
	}
	// The service gets a list of its own: l must stay what was asked for.
	answer, err := is.service.CreateCertificate(&casapi.CreateCertificateRequest{
		Template: &x509.Certificate{
			SerialNumber: l.serial, RawSubject: l.subject, NotBefore: l.notBefore, NotAfter: l.notAfter,
			PublicKey: l.key, SubjectKeyId: l.keyID, ExtraExtensions: slices.Clone(l.extensions),
			SignatureAlgorithm: signatureAlgorithm(is.Certificate.PublicKey),
		},
		Lifetime: l.notAfter.Sub(l.notBefore),
	})
	if err != nil {
		return nil, err
	}
	if answer == nil || answer.Certificate == nil {
		return nil, errors.New("the signer returned nothing")
	}
	cert, err := is.receive(answer.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading what was signed: %w", err)
	}
	if err := l.compare(cert, is.Certificate); err != nil {
		return nil, fmt.Errorf("what was signed differs from the profile: %w", err)
	}
	return cert, nil
}

// receive returns what cert is by its bytes, if the issuer has signed them.
// softcas returns what x509.CreateCertificate made, which verifies each signature
// with the key that Open compared with the issuer's certificate: to do that again
// would double the price of a certificate. No other service is trusted with it.
func (is *issuing) receive(cert *x509.Certificate) (*x509.Certificate, error) {
	if _, local := is.service.(*softcas.SoftCAS); local {
		return cert, nil
	}
	cert, err := x509.ParseCertificate(cert.Raw)
	if err != nil {
		return nil, err
	}
	if err := is.Certificate.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
		return nil, err
	}
	return cert, nil
}

// compare returns an error that names the first field in which cert differs from l.
func (l leaf) compare(cert, issuer *x509.Certificate) error {
	switch {
	case cert.Version != 3:
		return errors.New("version")
	case cert.SerialNumber.Cmp(l.serial) != 0:
		return errors.New("serial number")
	case !bytes.Equal(cert.RawIssuer, issuer.RawSubject):
		return errors.New("issuer")
	case !bytes.Equal(cert.RawSubject, l.subject):
		return errors.New("subject")
	case !cert.NotBefore.Equal(l.notBefore) || !cert.NotAfter.Equal(l.notAfter):
		return errors.New("validity")
	case !bytes.Equal(cert.RawSubjectPublicKeyInfo, l.spki):
		return errors.New("public key")
	case len(cert.Extensions) != len(l.extensions):
		return errors.New("number of extensions")
	case hasUniqueID(cert.RawTBSCertificate):
		return errors.New("unique identifier")
	case cert.SignatureAlgorithm != signatureAlgorithm(issuer.PublicKey):
		return errors.New("signature algorithm")
	}
	for i, want := range l.extensions {
		got := cert.Extensions[i]
		if !got.Id.Equal(want.Id) || got.Critical != want.Critical || !bytes.Equal(got.Value, want.Value) {
			return fmt.Errorf("extension %s", want.Id)
		}
	}
	return nil
}

// hasUniqueID reports whether a TBSCertificate has the fields that the standard
// library's parser passes over (RFC 5280, section 4.1.2.8), or cannot be read.
func hasUniqueID(tbs []byte) bool {
	var fields cryptobyte.String
	input := cryptobyte.String(tbs)
	ok := input.ReadASN1(&fields, cbasn1.SEQUENCE) &&
		fields.SkipASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) && fields.SkipASN1(cbasn1.INTEGER)
	for range 5 { // signature, issuer, validity, subject, public key
		ok = ok && fields.SkipASN1(cbasn1.SEQUENCE)
	}
	return !ok || !fields.SkipASN1(cbasn1.Tag(3).ContextSpecific().Constructed()) || !fields.Empty()
}

// signatureAlgorithm returns what an issuer with this key signs with.
func signatureAlgorithm(key crypto.PublicKey) x509.SignatureAlgorithm {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P384():
			return x509.ECDSAWithSHA384
		case elliptic.P521():
			return x509.ECDSAWithSHA512
		}
		return x509.ECDSAWithSHA256
	case *rsa.PublicKey:
		return x509.SHA256WithRSA
	case ed25519.PublicKey:
		return x509.PureEd25519
	}
	return x509.UnknownSignatureAlgorithm
}
