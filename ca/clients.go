package ca

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/ca/mtls"
	"github.com/postern-ca/postern/issuance"
)

// The codes of a refused client certificate. All have the kind Denied.
const (
	CodeMissing     issuance.Code = "certificate-missing" // none was presented
	CodeForeign     issuance.Code = "certificate-foreign" // not from our issuing CAs
	CodeUnfit       issuance.Code = "certificate-unfit"   // from ours, but not a client's
	CodeUnknown     issuance.Code = "certificate-unknown" // not in the register
	CodeNotYetValid issuance.Code = "certificate-early"   // it is not valid yet
	CodeExpired     issuance.Code = "certificate-expired" // it has expired
	CodeHeld        issuance.Code = "certificate-held"    // on hold; may be released
	CodeRevoked     issuance.Code = "certificate-revoked" // permanently
	CodeDisabled    issuance.Code = "service-disabled"    // it is valid; its service may be enabled again
)

// lookUpLimit bounds one look-up in the register during a handshake.
const lookUpLimit = 5 * time.Second

// Clients checks the client certificates of two-way TLS connections against the
// register: at each handshake, full or resumed, and again at each request.
type Clients struct {
	Authority *Authority
	// Certificate looks up a serial number. Any error refuses the client;
	// issuance.ErrNotFound means that the certificate is unknown.
	Certificate func(context.Context, issuance.Serial) (issuance.Certificate, error)
	// Service looks up the service of a certificate, so that a disabled service is
	// refused; an error refuses the client. If it is nil, the caller of Check must
	// look up the service.
	Service func(context.Context, issuance.ServiceID) (issuance.Service, error)
	// Refused is called for each handshake that is refused because a certificate of
	// ours is not valid. This only shows that somebody has the certificate, not
	// that they have the key. It must return without waiting for anything. It may
	// be nil.
	Refused func(issuance.Serial, issuance.Code)
	Now     func() time.Time // nil: time.Now
	// Wall returns what the machine's clock says, and whether that is in doubt: then a
	// certificate must be valid by it, too. Nil: it is never in doubt.
	Wall func() (wall time.Time, doubted bool)

	cas atomic.Pointer[trustedCAs]
}

// TLSConfig returns a copy of base that requires a client certificate and lets
// [Clients.VerifyConnection] decide. The server sends the names of our issuing CAs,
// so that a browser offers the right certificates. What base sets to accept clients
// (ClientAuth, VerifyPeerCertificate, GetConfigForClient) is dropped.
func (c *Clients) TLSConfig(base *tls.Config) *tls.Config {
	config := base.Clone()
	config.ClientCAs = x509.NewCertPool()
	for _, is := range c.Authority.Issuers() {
		config.ClientCAs.AddCert(is.Certificate)
	}
	mtls.Demand(config, c.VerifyConnection)
	if config.Time == nil {
		config.Time = c.Now
	}
	return config
}

// VerifyConnection is [Clients.Check] for tls.Config. VerifyPeerCertificate would
// not do: it is not called when a session is resumed, so a revoked client could
// come back with its old session.
func (c *Clients) VerifyConnection(state tls.ConnectionState) error {
	known, err := c.connection(state)
	c.refused(known, err)
	return err
}

// connection is Check of what a handshake shows.
func (c *Clients) connection(state tls.ConnectionState) (issuance.Certificate, error) {
	if len(state.PeerCertificates) == 0 {
		return issuance.Certificate{}, refuseClient(CodeMissing, "no client certificate was presented",
			"configure your client with the certificate and key that you downloaded")
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUpLimit)
	defer cancel()
	return c.Check(ctx, state.PeerCertificates[0])
}

// refused tells of a handshake that ends for err, if that is about a certificate that
// our CA has signed and the register knows: a forger raises no count.
func (c *Clients) refused(known issuance.Certificate, err error) {
	if c.Refused != nil && known.Serial != "" && issuance.KindOf(err) == issuance.Denied {
		c.Refused(known.Serial, issuance.CodeOf(err))
	}
}

// Check returns the register's record of a client certificate that is valid now:
// signed by one of our issuing CAs for clientAuth, not a CA's, with a key that we
// would certify, within its validity period, and registered as active, byte for
// byte. The client must have proven that it has the key. For any other certificate,
// Check returns an error of kind Denied with one of this package's codes, together
// with the record if the certificate is ours. It returns another error if the
// register is not available. Call it for each request, because a connection
// outlives a revocation.
func (c *Clients) Check(ctx context.Context, cert *x509.Certificate) (issuance.Certificate, error) {
	now := time.Now()
	if c.Now != nil {
		now = c.Now()
	}
	issuer, err := c.verify(cert, now)
	if err != nil {
		return issuance.Certificate{}, err
	}
	known, err := c.Certificate(ctx, issuance.SerialOf(cert.SerialNumber))
	if errors.Is(err, issuance.ErrNotFound) {
		return issuance.Certificate{}, errUnknown()
	} else if err != nil {
		return issuance.Certificate{}, fmt.Errorf("looking up a client certificate: %w", err)
	}
	if known.Issuer != issuer.ID || !bytes.Equal(known.DER, cert.Raw) {
		return issuance.Certificate{}, errUnknown()
	}
	if err := cmp.Or(checkStanding(cert, known, now), c.checkWall(cert)); err != nil || c.Service == nil {
		return known, err
	}
	service, err := c.Service(ctx, known.Service)
	if err != nil {
		// Not wrapped: that the service is not there is not the client's fault.
		return known, fmt.Errorf("looking up service %s: %s", known.Service, err)
	}
	if service.Disabled {
		return known, refuseClient(CodeDisabled, "the service "+string(known.Service)+" is disabled",
			"ask the people who issued the certificate to enable it")
	}
	return known, nil
}

// checkWall refuses a certificate that is not valid by the machine's clock while that
// is in doubt, for nobody knows which time is right.
func (c *Clients) checkWall(cert *x509.Certificate) error {
	if c.Wall == nil {
		return nil
	}
	wall, doubted := c.Wall()
	if !doubted || mtls.CheckTime(cert, wall) == nil {
		return nil
	}
	return &issuance.Error{
		Kind: issuance.Unavailable, Code: issuance.CodeClock, Retry: time.Minute,
		Message: "the server's clock is in doubt, and by what it says the certificate is not valid",
		Hint:    "try again later; the people who run the server have been told",
	}
}

// verify returns the issuing CA that signed cert and stands at now, if cert is
// made as our client certificates are. The checks are those of package mtls, which
// web services use.
func (c *Clients) verify(cert *x509.Certificate, now time.Time) (Issuer, error) {
	issuers := c.Authority.Issuers()
	cas, err := c.trusted(issuers)
	if err != nil {
		return Issuer{}, fmt.Errorf("checking a client certificate: %w", err)
	}
	chain, err := cas.Verify([]*x509.Certificate{cert}, now)
	if err != nil {
		return Issuer{}, refusalOf(err)
	}
	for _, is := range issuers {
		if is.Certificate.Equal(chain.Issuer) {
			return is, nil
		}
	}
	return Issuer{}, errUnknown()
}

// trustedCAs is what package mtls made of a number of issuing CAs: they are only ever added.
type trustedCAs struct {
	issuers int
	cas     *mtls.CAs
}

func (c *Clients) trusted(issuers []Issuer) (*mtls.CAs, error) {
	if t := c.cas.Load(); t != nil && t.issuers == len(issuers) {
		return t.cas, nil
	}
	certs := []*x509.Certificate{c.Authority.Root()}
	for _, is := range issuers {
		certs = append(certs, is.Certificate)
	}
	cas, err := mtls.NewCAs(certs...)
	if err != nil {
		return nil, err
	}
	c.cas.Store(&trustedCAs{len(issuers), cas})
	return cas, nil
}

// refusalOf says what package mtls refuses in the terms of this one: people see
// whether to use another certificate or to ask for a new one.
func refusalOf(err error) error {
	refusal, ok := errors.AsType[*mtls.Error](err)
	if !ok {
		return err
	}
	message := "the certificate is refused: " + refusal.Message
	switch refusal.Code {
	case mtls.CodeForeign, mtls.CodeSelfSigned, mtls.CodeLongChain, mtls.CodeIssuerName, mtls.CodeIssuerKey, mtls.CodeSignature:
		return refuseClient(CodeForeign, message, "use the certificate that you downloaded here, with its key")
	case mtls.CodeIssuerTime:
		return refuseClient(CodeExpired, message, "ask for a new certificate")
	case mtls.CodeEarly:
		return refuseClient(CodeNotYetValid, message, "wait until then, or check the clocks")
	case mtls.CodeExpired:
		return refuseClient(CodeExpired, message, "ask for a new certificate")
	case mtls.CodeKey:
		return refuseClient(CodeUnfit, message, "ask for a certificate with a new key")
	}
	return refuseClient(CodeUnfit, message, "use the certificate that you downloaded for this service")
}

// checkStanding compares the certificate's time and status with now.
func checkStanding(cert *x509.Certificate, known issuance.Certificate, now time.Time) error {
	switch {
	case known.Status == issuance.Revoked:
		return refuseClient(CodeRevoked, "the certificate was revoked on "+known.Since().UTC().Format(time.DateOnly),
			"ask for a new certificate")
	case known.Status == issuance.Held:
		return refuseClient(CodeHeld, "the certificate has been on "+
			"hold since "+known.ChangedAt.UTC().Format(time.DateOnly), "ask the people who issued it to release it")
	case known.Status != issuance.Active:
		return errUnknown()
	}
	if err := mtls.CheckTime(cert, now); err != nil {
		return refusalOf(err)
	}
	return nil
}

func errUnknown() error {
	return refuseClient(CodeUnknown, "the certificate is not in the register",
		"use the certificate that you downloaded here, with its key")
}

func refuseClient(code issuance.Code, message, hint string) error {
	return &issuance.Error{Kind: issuance.Denied, Code: code, Message: message, Hint: hint}
}
