package lint

import (
	"crypto/x509"
	"encoding/asn1"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Rules are what the profiles of one CA's certificates and CRLs have in common.
type Rules struct {
	// Issuer is the CA's own certificate; nil: it is a root that is being made, which
	// signs itself alone.
	Issuer *x509.Certificate
	// Kinds are all that its key may sign.
	Kinds []Kind
	// TrustDomain is the host of the SPIFFE IDs.
	TrustDomain string
	// CRL, Certificate and OCSP are addresses: of the CA's full CRL, of its
	// certificate, and of the OCSP responder.
	CRL, Certificate, OCSP string
	// Point returns the address of the CRL that the client certificate with a serial
	// number names; nil: that of the full CRL.
	Point func(serial []byte) string
	// Validity is the longest of a client certificate, which may begin Backdate
	// earlier; zero: no limit but the issuer's end.
	Validity issuance.Period
	Backdate time.Duration
	// Refused is told of everything that is not signed; nil: nobody is. It must not
	// block.
	Refused func(*Refusal)
}

// The longest that certificates of the other kinds are valid, beginning included, and
// the longest that a CRL of each kind of CA is.
const (
	longestServer      = 400 * 24 * time.Hour
	longestResponder   = 8 * 24 * time.Hour
	longestCRL         = 31 * 24 * time.Hour
	longestRootCRL     = 367 * 24 * time.Hour
	longestRootYears   = 20
	longestIssuerYears = 10
)

// encoded are the values of extensions that are the same in all certificates of a CA.
// They are encoded in another way than ca encodes them, so that a fault there is seen.
type encoded struct {
	authorityKeyID             []byte
	clientAccess, serverAccess []byte
	clientID                   string // how the SPIFFE ID of each client begins
	domainID                   string // the SPIFFE ID of the CAs
}

func (r Rules) encode() (e encoded, err error) {
	e.domainID = "spiffe://" + r.TrustDomain
	e.clientID = e.domainID + "/org/"
	if r.Issuer == nil {
		return e, nil
	}
	id := r.Issuer.SubjectKeyId
	e.authorityKeyID = append([]byte{0x30, byte(len(id) + 2), 0x80, byte(len(id))}, id...)
	ocsp := accessDescription{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}, uri(r.OCSP)}
	issuers := accessDescription{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}, uri(r.Certificate)}
	if e.serverAccess, err = asn1.Marshal([]accessDescription{issuers}); err != nil {
		return e, err
	}
	e.clientAccess, err = asn1.Marshal([]accessDescription{ocsp, issuers})
	return e, err
}

// accessDescription is that of RFC 5280, section 4.2.2.1.
type accessDescription struct {
	Method   asn1.ObjectIdentifier
	Location asn1.RawValue
}

func uri(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(s)}
}
