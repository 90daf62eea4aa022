package issuance_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// inkSigner makes real certificates, under a CA that is nobody's.
type inkSigner struct {
	paperSigner
	key *ecdsa.PrivateKey
}

func (s *inkSigner) Sign(ctx context.Context, p issuance.Profile) (issuance.Signed, error) {
	if signed, err := s.paperSigner.Sign(ctx, p); err != nil {
		return signed, err
	}
	serial, _ := new(big.Int).SetString(string(p.Serial), 16)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{p.OrganizationName}, CommonName: p.Service}, URIs: []*url.URL{spiffe(p.Service)},
		NotBefore: p.NotBefore, NotAfter: p.NotAfter,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}}, p.Key, s.key)
	sum := sha256.Sum256(der)
	return issuance.Signed{DER: der, Issuer: "issuing-1", Fingerprint: hex.EncodeToString(sum[:]), NotBefore: p.NotBefore, NotAfter: p.NotAfter}, err
}

func spiffe(service string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: "postern.example", Path: "/org/acme/service/" + service}
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// inkHouse is a house with real certificates and CSRs.
type inkHouse struct {
	*house
	ink *inkSigner
}

func newInkHouse(t *testing.T, change ...func(*issuance.Config)) inkHouse {
	t.Helper()
	s := &inkSigner{key: newECKey(t)}
	h := newHouse(t, append([]func(*issuance.Config){func(c *issuance.Config) {
		c.Signer = s
		c.ReadCSR = func(der []byte) (crypto.PublicKey, error) {
			csr, err := x509.ParseCertificateRequest(der)
			if err != nil || csr.CheckSignature() != nil {
				return nil, &issuance.Error{Kind: issuance.Invalid, Code: issuance.CodeCSR, Field: "csr", Message: "is not a CSR", Hint: "make one"}
			}
			return csr.PublicKey, nil
		}
	}}, change...)...)
	return inkHouse{h, s}
}

// csr asks for the names of the house's service.
func (h inkHouse) csr(key *ecdsa.PrivateKey) []byte {
	h.t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{Organization: []string{"Acme AG"}, CommonName: "payments"}, URIs: []*url.URL{spiffe("payments")},
	}, key)
	h.ok(err)
	return der
}

// enrolled returns a first certificate for key.
func (h inkHouse) enrolled(key *ecdsa.PrivateKey) issuance.Certificate {
	h.t.Helper()
	h.invited()
	token, code := h.delivered()
	f, err := h.enroll(token, code, h.csr(key))
	h.ok(err)
	return f.Certificate
}

// old returns a certificate that is in the last part of its life.
func (h inkHouse) old(key *ecdsa.PrivateKey) issuance.Certificate {
	h.t.Helper()
	c := h.enrolled(key)
	h.set(c.NotAfter.Add(-30 * 24 * time.Hour))
	return c
}

func (h inkHouse) renew(c issuance.Certificate, key *ecdsa.PrivateKey) (issuance.Certificate, error) {
	h.t.Helper()
	f, err := h.Reenroll(h.t.Context(), c.Serial, h.csr(key))
	return f.Certificate, err
}

// untouched fails unless old has no successor and there is one order, the first.
func (h inkHouse) untouched(what string, old issuance.Certificate) {
	h.t.Helper()
	if got, err := h.Certificate(h.t.Context(), old.Serial); err != nil || got.RenewedBy != "" {
		h.t.Errorf("%s: the certificate has the successor %q, %v", what, got.RenewedBy, err)
	}
	if n := len(h.certificates(issuance.CertificateQuery{})); n != 1 {
		h.t.Errorf("%s: there are %d certificates, want the first alone", what, n)
	}
	h.ok(h.Read(h.t.Context(), func(tx issuance.Reader) error {
		for _, state := range []issuance.OrderState{issuance.VerifiedState, issuance.InvitedState, issuance.IssuedState} {
			if open, _, err := tx.Orders(issuance.OrderQuery{State: state}); err != nil || len(open) != 0 {
				h.t.Errorf("%s: %d orders are %s, %v", what, len(open), state, err)
			}
		}
		return nil
	}))
}
