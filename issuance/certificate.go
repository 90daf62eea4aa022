package issuance

import (
	"strings"
	"time"
)

// Status is the status of a certificate. Expiry is never stored: it follows from
// the clock.
type Status string

// The states of a certificate's life. Abandoned is the state of a serial number
// that was reserved but never used.
const (
	Abandoned Status = "abandoned" // never used again
	Active    Status = "active"
	Held      Status = "held" // certificateHold
	Revoked   Status = "revoked"
)

// Reason is a CRLReason of RFC 5280, section 5.3.1.
type Reason string

// The reasons that make sense for a client certificate. Those for authorities,
// value 7 and removeFromCRL are not among them.
const (
	Unspecified          Reason = "unspecified"
	KeyCompromise        Reason = "keyCompromise"
	AffiliationChanged   Reason = "affiliationChanged"
	Superseded           Reason = "superseded"
	CessationOfOperation Reason = "cessationOfOperation"
	CertificateHold      Reason = "certificateHold" // of a held certificate alone
	PrivilegeWithdrawn   Reason = "privilegeWithdrawn"
)

// Reasons returns the reasons that a revocation may give.
func Reasons() []Reason {
	return []Reason{Unspecified, KeyCompromise, AffiliationChanged, Superseded, CessationOfOperation, PrivilegeWithdrawn}
}

// CRLReason returns r's number in RFC 5280, section 5.3.1.
func (r Reason) CRLReason() int {
	switch r {
	case KeyCompromise:
		return 1
	case AffiliationChanged:
		return 3
	case Superseded:
		return 4
	case CessationOfOperation:
		return 5
	case CertificateHold:
		return 6
	case PrivilegeWithdrawn:
		return 9
	}
	return 0
}

// ReasonOf returns the reason with a number of RFC 5280, section 5.3.1; those that
// do not make sense for a client certificate are unspecified.
func ReasonOf(number int) Reason {
	for _, r := range append(Reasons(), CertificateHold) {
		if r.CRLReason() == number {
			return r
		}
	}
	return Unspecified
}

// ParseReason reads the name of a reason that a revocation may give; it must not be
// empty. Case, hyphens, underscores and blanks do not matter: keyCompromise,
// KEY_COMPROMISE and key-compromise are the same.
func ParseReason(s string) (Reason, error) {
	bare := strings.NewReplacer("-", "", "_", "", " ", "").Replace(Typed(s))
	for _, r := range Reasons() {
		if strings.EqualFold(bare, string(r)) {
			return r, nil
		}
	}
	return "", Reason(s).unknown()
}

func (r Reason) unknown() *Error {
	return Invalidf("reason", Quoted(string(r))+" is not a revocation reason", "choose one of "+list(Reasons()))
}

// Certificate is the store's record of a serial number.
type Certificate struct {
	Serial       Serial       `json:"serial"`
	Status       Status       `json:"status"`
	Order        OrderID      `json:"order"`
	Organization OrgID        `json:"organization"`
	Service      ServiceID    `json:"service"`
	Contact      ContactID    `json:"contact"`
	Issuer       string       `json:"issuer"` // id of the issuing CA, as in its CRL's URL
	IssuedAt     time.Time    `json:"issued_at,omitzero"`
	NotBefore    time.Time    `json:"not_before,omitzero"`
	NotAfter     time.Time    `json:"not_after,omitzero"`
	Key          KeyAlgorithm `json:"key,omitempty"`
	KeyMark      Digest       `json:"key_mark,omitempty"`    // see MarkOf; of records from before it was kept, Mark reads it
	Fingerprint  string       `json:"fingerprint,omitempty"` // SHA-256 of DER, hexadecimal
	DER          []byte       `json:"der,omitempty"`
	FromCSR      bool         `json:"from_csr,omitempty"`
	Renews       Serial       `json:"renews,omitempty"`
	RenewedBy    Serial       `json:"renewed_by,omitempty"` // the last successor
	Succession   Succession   `json:"succession,omitempty"` // how far that one has come
	Used         bool         `json:"used,omitempty"`       // it was seen in use
	// Reason, Comment, ChangedAt and ChangedBy describe the last hold, release or
	// revocation.
	Reason    Reason    `json:"reason,omitempty"`
	Comment   string    `json:"comment,omitempty"`
	ChangedAt time.Time `json:"changed_at,omitzero"`
	ChangedBy Actor     `json:"changed_by,omitzero"`
	// RevokedAt is when it was revoked, if its reason was made worse later.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// Since returns since when c has its status, as CRLs and OCSP give it: a reason that
// is corrected does not make a revocation any younger.
func (c Certificate) Since() time.Time {
	if !c.RevokedAt.IsZero() {
		return c.RevokedAt
	}
	return c.ChangedAt
}

// Expired reports whether c has expired at now.
func (c Certificate) Expired(now time.Time) bool { return now.After(c.NotAfter) }

// Stands reports whether c is valid at now: active, and within its validity period.
func (c Certificate) Stands(now time.Time) bool {
	return c.Status == Active && !now.Before(c.NotBefore) && !c.Expired(now)
}

// Hold puts an active certificate on hold, until it is released or revoked.
func (c *Certificate) Hold(by Actor, comment string, now time.Time) error {
	if err := c.allow(HoldVerb, Active); err != nil {
		return err
	}
	return c.change(Held, CertificateHold, by, comment, now)
}

// Release makes a held certificate active again.
func (c *Certificate) Release(by Actor, comment string, now time.Time) error {
	if err := c.allow(ReleaseVerb, Held); err != nil {
		return err
	}
	return c.change(Active, "", by, comment, now)
}

// Revoke revokes an active or held certificate permanently. The reason of a revoked
// certificate can be changed only to a more serious one: keyCompromise is the most
// serious.
func (c *Certificate) Revoke(reason Reason, by Actor, comment string, now time.Time) error {
	if c.Status == Revoked && c.canBe(reason) {
		c.RevokedAt = c.Since()
		return c.change(Revoked, reason, by, comment, now)
	}
	if err := c.allow(RevokeVerb, Active, Held); err != nil {
		return err
	}
	return c.change(Revoked, reason, by, comment, now)
}

// canBe reports whether c can still be revoked for reason.
func (c Certificate) canBe(reason Reason) bool {
	switch c.Status {
	case Active, Held:
		return true
	case Revoked:
		return reason == KeyCompromise && c.Reason != KeyCompromise
	}
	return false
}

func (c *Certificate) change(to Status, reason Reason, by Actor, comment string, now time.Time) error {
	c.Status, c.Reason, c.Comment, c.ChangedBy = to, reason, comment, by
	// RFC 5280 dates have seconds; a revocation is never dated after it is seen.
	c.ChangedAt = now.Truncate(time.Second)
	return nil
}

func (c *Certificate) allow(verb Verb, from ...Status) error {
	for _, s := range from {
		if c.Status == s {
			return nil
		}
	}
	if c.Status == Abandoned {
		return NoSuch(CertificateNoun, string(c.Serial))
	}
	return &Error{
		Kind: Conflict, Code: CodeState, Message: "certificate " + string(c.Serial) + " is " + string(c.Status) +
			", so it cannot be " + verb.done(),
		Hint: "see its history", Next: Next{ListVerb, AuditNoun, string(c.Serial)},
	}
}
