package issuance

import (
	"context"
	"crypto"
	"time"
)

// Signer is the issuing CA as the registrar sees it.
type Signer interface {
	// Sign creates a client certificate. It returns an error and no certificate if
	// the signed certificate differs from the profile.
	Sign(ctx context.Context, p Profile) (Signed, error)
	// Issuer returns the id of the CA that signs now, and when it expires: no
	// certificate may be valid for longer.
	Issuer() (id string, notAfter time.Time)
	// Chain returns the certificates (DER) above a leaf of issuer: the issuing CA, then the root.
	Chain(issuer string) ([][]byte, error)
}

// Profile is everything that goes into a client certificate. None of it comes from
// a CSR.
type Profile struct {
	Serial           Serial
	Organization     OrgID  // for the SPIFFE ID
	OrganizationName string // O
	Service          string // identifier, for the SPIFFE ID
	ServiceName      string // CN
	Distinction      string // serialNumber, after the CN; "": none
	Key              crypto.PublicKey
	NotBefore        time.Time
	NotAfter         time.Time
}

// Signed is a certificate that was made.
type Signed struct {
	DER         []byte
	Issuer      string // id of the issuing CA
	Fingerprint string // SHA-256 of DER, lower-case hexadecimal
	NotBefore   time.Time
	NotAfter    time.Time
}

// Bundle is what a PKCS#12 file is made of.
type Bundle struct {
	Key          crypto.Signer
	Certificate  []byte   // DER
	Chain        [][]byte // DER, the issuer first
	FriendlyName string   // the alias that Java and Windows show
	Password     Secret   // ASCII
	Target       Target
}

// Dispatch is a notice to send now, with everything that its text needs.
type Dispatch struct {
	Notice       Notice
	Contact      Contact // zero for an alert
	Organization Organization
	Service      Service
	Order        Order
	Certificate  Certificate   // of a password or revoked notice
	Also         []Certificate // that were revoked with it, up to a hundred
	More         int           // how many beyond those
	Document     Document      // of a notice that carries one
	Proposal     Proposal      // of a notice that tells of one
	// Secret is the token of an invitation's link or of one that stops a change, the
	// code, or the password.
	Secret Secret
	// CodeLifetime and LinkExpires are shown to people.
	CodeLifetime time.Duration
	LinkExpires  time.Time
}

// Outcome is the result of one try to send a notice.
type Outcome struct {
	ProviderID string        // of an accepted notice
	Err        error         // nil: accepted. Its text is shown to staff: no secrets, no bodies
	Permanent  bool          // trying again is hopeless
	RetryAfter time.Duration // not before; 0: the courier's own backoff
	// Uncharged is a failure of the whole channel (its account, its provider):
	// it does not count as a try of this notice.
	Uncharged bool
}
