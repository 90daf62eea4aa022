package ca

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// The codes of a refused client certificate. All have the kind Denied.
const (
	CodeMissing     issuance.Code = "certificate-missing" // none was presented
	CodeForeign     issuance.Code = "certificate-foreign" // not from our issuing CAs
	CodeUnfit       issuance.Code = "certificate-unfit"   // from ours, but not a client's
	CodeUnknown     issuance.Code = "certificate-unknown" // not in the register
	CodeNotYetValid issuance.Code = "certificate-early"   // its time has not begun
	CodeExpired     issuance.Code = "certificate-expired" // its time is over
	CodeHeld        issuance.Code = "certificate-held"    // suspended; may be released
	CodeRevoked     issuance.Code = "certificate-revoked" // for good
)

// lookUpLimit bounds one look-up in the register during a handshake.
const lookUpLimit = 5 * time.Second

// Clients checks the client certificates of two-way TLS connections against the
// register: at each handshake, full or resumed, and again at each request.
type Clients struct {
	Authority *Authority
	// Certificate looks a serial number up; an error that is not issuance.ErrNotFound refuses the client.
	Certificate func(context.Context, issuance.Serial) (issuance.Certificate, error)
	Now         func() time.Time // nil: time.Now

	signatures signedBy
}

// TLSConfig returns a copy of base that demands a client certificate and lets
// [Clients.VerifyConnection] decide. The names of our issuing CAs are sent, so
// that a browser offers the right certificates. base's own ways of accepting
// clients (ClientAuth, VerifyPeerCertificate, GetConfigForClient) are dropped.
func (c *Clients) TLSConfig(base *tls.Config) *tls.Config {
	config := base.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.ClientCAs = x509.NewCertPool()
	for _, is := range c.Authority.Issuers() {
		config.ClientCAs.AddCert(is.Certificate)
	}
	// The library's own chain check is off: it accepts certificates without
	// clientAuth and with CA:TRUE, and says nothing about revocation.
	config.ClientAuth = tls.RequireAnyClientCert
	config.GetConfigForClient = nil
	config.VerifyPeerCertificate = nil
	config.VerifyConnection = c.VerifyConnection
	if config.Time == nil {
		config.Time = c.Now
	}
	return config
}

// VerifyConnection is [Clients.Check] for tls.Config. It belongs there and not
// into VerifyPeerCertificate, which is not called when a session is resumed: a
// revoked client would come back with its old session.
func (c *Clients) VerifyConnection(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return refuseClient(CodeMissing, "no client certificate was presented", "configure your client with the certificate and key that you downloaded")
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUpLimit)
	defer cancel()
	_, err := c.Check(ctx, state.PeerCertificates[0])
	return err
}

// Check returns what the register knows of a client certificate whose key the
// client has proven to have, if it stands now: signed by one of our issuing CAs
// for clientAuth, not a CA, with a key as strong as we certify, in its time, and
// known, byte for byte, as active. It returns an error of kind Denied with one of
// this package's codes otherwise, with what the register knows if the certificate
// is one of ours that does not stand, and any other error if the register could
// not be asked. Call it for each request: a connection outlives a revocation.
func (c *Clients) Check(ctx context.Context, cert *x509.Certificate) (issuance.Certificate, error) {
	now := time.Now()
	if c.Now != nil {
		now = c.Now()
	}
	sum := sha256.Sum256(cert.Raw)
	issuer, err := c.issuerOf(cert, sum, now)
	if err != nil {
		return issuance.Certificate{}, err
	}
	if err := checkClientUse(cert); err != nil {
		return issuance.Certificate{}, err
	}
	known, err := c.Certificate(ctx, issuance.SerialOf(cert.SerialNumber))
	if errors.Is(err, issuance.ErrNotFound) {
		return issuance.Certificate{}, errUnknown()
	} else if err != nil {
		return issuance.Certificate{}, fmt.Errorf("looking up a client certificate: %w", err)
	}
	if known.Issuer != issuer.ID || known.Fingerprint != hex.EncodeToString(sum[:]) {
		return issuance.Certificate{}, errUnknown()
	}
	return known, checkStanding(cert, known, now)
}

// issuerOf returns the issuing CA that signed cert, whose DER has the SHA-256
// sum, and stands at now.
func (c *Clients) issuerOf(cert *x509.Certificate, sum [sha256.Size]byte, now time.Time) (Issuer, error) {
	for _, is := range c.Authority.Issuers() {
		if !bytes.Equal(cert.RawIssuer, is.Certificate.RawSubject) || !c.signatures.signed(is.Certificate, cert, sum) {
			continue
		}
		for _, above := range []*x509.Certificate{is.Certificate, c.Authority.Root()} {
			if now.Before(above.NotBefore) || now.After(above.NotAfter) {
				return Issuer{}, refuseClient(CodeExpired, "the CA that issued the certificate does not stand any more", "ask for a new certificate")
			}
		}
		return is, nil
	}
	return Issuer{}, refuseClient(CodeForeign, "the certificate was not issued by this CA", "use the certificate that you downloaded here, with its key")
}

// checkClientUse refuses what an issuing CA of ours may have signed for another purpose.
func checkClientUse(cert *x509.Certificate) error {
	const hint = "use the certificate that you downloaded for this service"
	switch {
	case cert.IsCA || !cert.BasicConstraintsValid:
		return refuseClient(CodeUnfit, "the certificate is a CA's, not a client's", hint)
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return refuseClient(CodeUnfit, "the certificate is not for client authentication", hint)
	case cert.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuseClient(CodeUnfit, "the certificate's key is not for signing", hint)
	case len(cert.UnhandledCriticalExtensions) > 0:
		return refuseClient(CodeUnfit, "the certificate has a critical extension that is not understood", hint)
	}
	if _, err := KeyAlgorithmOf(cert.PublicKey); err != nil {
		return refuseClient(CodeUnfit, err.Error(), "ask for a certificate for a new key")
	}
	return nil
}

// checkStanding compares the certificate's time and status with now.
func checkStanding(cert *x509.Certificate, known issuance.Certificate, now time.Time) error {
	switch {
	case known.Status == issuance.Revoked:
		return refuseClient(CodeRevoked, "the certificate was revoked on "+known.ChangedAt.UTC().Format(time.DateOnly), "ask for a new certificate")
	case known.Status == issuance.Held:
		return refuseClient(CodeHeld, "the certificate is on hold since "+known.ChangedAt.UTC().Format(time.DateOnly), "ask the people who issued it to release it")
	case known.Status != issuance.Active:
		return errUnknown()
	case now.Before(cert.NotBefore):
		return refuseClient(CodeNotYetValid, "the certificate is not valid before "+cert.NotBefore.UTC().Format(time.RFC3339), "wait until then, or check the clocks")
	case now.After(cert.NotAfter):
		return refuseClient(CodeExpired, "the certificate expired on "+cert.NotAfter.UTC().Format(time.DateOnly), "ask for a new certificate")
	}
	return nil
}

func errUnknown() error {
	return refuseClient(CodeUnknown, "the certificate is not in the register", "use the certificate that you downloaded here, with its key")
}

func refuseClient(code issuance.Code, message, hint string) error {
	return &issuance.Error{Kind: issuance.Denied, Code: code, Message: message, Hint: hint}
}
