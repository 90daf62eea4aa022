package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/issuance"
)

const (
	delegateLife = 7 * 24 * time.Hour
	delegateSlow = time.Hour // by which the clocks of clients may be late
)

// ocspIssuer is an issuing CA, the hashes that requests name it with, and who
// answers for it.
type ocspIssuer struct {
	Issuer
	hashes [ocspHashes]struct{ name, key []byte }

	signed   func(*x509.Certificate) error // nil: no record is kept
	renewing sync.Mutex
	present  atomic.Pointer[delegate]
}

// delegate is a responder certificate (RFC 6960, section 4.2.2.2) and its key.
type delegate struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	madeAt      time.Time
	renewAt     time.Time
}

// isFresh reports whether d needs no successor at now: it is in the first half of its
// life, and was not made in what turned out to be the future.
func (d *delegate) isFresh(now time.Time) bool { return now.Before(d.renewAt) && !now.Before(d.madeAt) }

// newOCSPIssuer prepares to answer for issuer.
func newOCSPIssuer(issuer Issuer, now time.Time, signed func(*x509.Certificate) error) (*ocspIssuer, error) {
	i := &ocspIssuer{Issuer: issuer, signed: signed}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.Certificate.RawSubjectPublicKeyInfo, &info); err != nil {
		return nil, fmt.Errorf("reading the key of issuer %s: %w", issuer.ID, err)
	}
	for h := range ocspHashes {
		name, key := h.algorithm().New(), h.algorithm().New()
		name.Write(issuer.Certificate.RawSubject)
		key.Write(info.PublicKey.RightAlign())
		i.hashes[h].name, i.hashes[h].key = name.Sum(nil), key.Sum(nil)
	}
	first, err := i.newDelegate(now)
	if err != nil {
		return nil, err
	}
	i.present.Store(first)
	return i, nil
}

// isNamed reports whether q asks about a certificate of i.
func (i *ocspIssuer) isNamed(q ocspQuestion) bool {
	if q.hash >= ocspHashes {
		return false
	}
	hashes := i.hashes[q.hash]
	return bytes.Equal(hashes.name, q.nameHash) && bytes.Equal(hashes.key, q.keyHash)
}

// delegate returns who signs at now. A certificate in the second half of its
// life, or dated in the future, is renewed, by one caller while the others go on with it; if that fails,
// it serves to its end, and the next try comes after a minute.
func (i *ocspIssuer) delegate(now time.Time, log *slog.Logger) (*delegate, error) {
	d := i.present.Load()
	if d.isFresh(now) || !i.renewing.TryLock() {
		return d, d.check(now)
	}
	defer i.renewing.Unlock()
	fresh, err := i.newDelegate(now)
	if err != nil {
		log.Error("the OCSP responder certificate could not be renewed", "issuer", i.ID, "error", err)
		fresh = &delegate{certificate: d.certificate, key: d.key, madeAt: now, renewAt: now.Add(logAgain)}
	}
	i.present.Store(fresh)
	return fresh, fresh.check(now)
}

// check returns an error if d's certificate has expired or is not valid yet.
func (d *delegate) check(now time.Time) error {
	if now.Before(d.certificate.NotBefore) {
		return fmt.Errorf("the OCSP responder certificate is not valid before %s", d.certificate.NotBefore.Format(time.RFC3339))
	}
	if now.After(d.certificate.NotAfter) {
		return fmt.Errorf("the OCSP responder certificate expired at %s", d.certificate.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// newDelegate makes a key and has the issuer certify it for OCSP alone. Clients
// need not ask whether it was revoked: it is short-lived (id-pkix-ocsp-nocheck,
// RFC 6960, section 4.2.2.2.1).
func (i *ocspIssuer) newDelegate(now time.Time) (*delegate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an OCSP responder key: %w", err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding an OCSP responder key: %w", err)
	}
	keyID := sha256.Sum256(point)
	name := i.Certificate.Subject
	template := &x509.Certificate{
		SerialNumber: issuance.NewSerial().Int(),
		Subject:      pkix.Name{Country: name.Country, Organization: name.Organization, CommonName: "OCSP responder of " + i.ID},
		NotBefore:    now.Add(-delegateSlow),
		NotAfter:     now.Add(delegateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		SubjectKeyId: keyID[:20], // RFC 7093, section 2, method 1
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: asn1.NullBytes},
		},
		BasicConstraintsValid: true,
	}
	if template.NotBefore.Before(i.Certificate.NotBefore) {
		template.NotBefore = i.Certificate.NotBefore
	}
	if template.NotAfter.After(i.Certificate.NotAfter) {
		template.NotAfter = i.Certificate.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.Certificate, &key.PublicKey, i.Signer)
	if err != nil {
		return nil, fmt.Errorf("signing the OCSP responder certificate of %s: %w", i.ID, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the OCSP responder certificate of %s: %w", i.ID, err)
	}
	if i.signed != nil {
		if err := i.signed(certificate); err != nil {
			return nil, fmt.Errorf("putting the OCSP responder certificate of %s on record: %w", i.ID, err)
		}
	}
	return &delegate{certificate: certificate, key: key, madeAt: now.Truncate(time.Second), renewAt: now.Add(delegateLife / 2)}, nil
}
