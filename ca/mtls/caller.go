package mtls

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Caller is the service that makes a request.
type Caller struct {
	Organization string // short name, as in its SPIFFE ID
	Service      string // identifier, as in its SPIFFE ID; not its name, which is the CN
	Serial       string // of the certificate: 34 hexadecimal digits, as Postern's commands and pages write it
	SPIFFEID     string
	NotAfter     time.Time
	Certificate  *x509.Certificate // it must not be changed
}

// callerOf reads the identity from a certificate that was verified.
func callerOf(cert *x509.Certificate) (Caller, string, error) {
	id, err := spiffeOf(cert)
	return Caller{
		Organization: id.organization, Service: id.service, Serial: fmt.Sprintf("%034x", cert.SerialNumber),
		SPIFFEID: id.text, NotAfter: cert.NotAfter, Certificate: cert,
	}, id.domain, err
}

type callerKey struct{}

// CallerFrom returns the caller of the request with this context, inside
// [Verifier.Handler]. Elsewhere it returns false.
func CallerFrom(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Rules define which callers are let in; the zero value lets in everybody with a
// valid certificate. A certificate does not contain the service's environment: to
// tell test from production, list the services, or use /auth, which knows it.
type Rules struct {
	Organizations []string // short names; empty: all
	Services      []string // written organization/service; empty: all
}

// Permit reports whether c is let in. Handlers can use it for their own rules.
func (r Rules) Permit(c Caller) bool {
	return (len(r.Organizations) == 0 || slices.Contains(r.Organizations, c.Organization)) &&
		(len(r.Services) == 0 || slices.Contains(r.Services, c.Organization+"/"+c.Service))
}
