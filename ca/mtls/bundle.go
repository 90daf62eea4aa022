package mtls

import (
	"crypto/x509"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
)

// bundle is the verified CRLs of a hierarchy, by [crlfile.ID]. It
// never changes.
type bundle map[string]*revocationList

// revocationList is what is remembered of a CRL.
type revocationList struct {
	*crlfile.List                 // without entries
	revoked       map[string]bool // by the bytes of the serial number; true if held
}

// readBundle reads and verifies a bundle (PEM), as package crlfile does: every CA
// of c that stands at now has one CRL in it, complete, signed by it, current, and
// not older than the one in before. CRLs of other CAs are passed over: there may be
// a new issuing CA that this service does not trust yet. Strangers is how many.
func (c *CAs) readBundle(data []byte, before bundle, now time.Time) (read bundle, strangers int, err error) {
	verified, err := crlfile.Check{CAs: c.all, PassOver: true, Now: now, Previous: before.heads()}.Verify(data)
	if err != nil {
		return nil, 0, err
	}
	read = bundle{}
	for _, l := range verified.Lists {
		read[crlfile.ID(l.Issuer)] = &revocationList{l.Head(), revokedIn(l)}
	}
	return read, verified.PassedOver, nil
}

func (b bundle) heads() *crlfile.Bundle {
	var heads crlfile.Bundle
	for _, l := range b {
		heads.Lists = append(heads.Lists, l.List)
	}
	return &heads
}

func revokedIn(l *crlfile.List) map[string]bool {
	const hold = 6 // certificateHold (RFC 5280, section 5.3.1)
	revoked := make(map[string]bool, len(l.RevokedCertificateEntries))
	for _, entry := range l.RevokedCertificateEntries {
		revoked[string(entry.SerialNumber.Bytes())] = entry.ReasonCode == hold
	}
	return revoked
}

// check returns an error if cert is revoked or held.
func (l *revocationList) check(cert *x509.Certificate) error {
	held, listed := l.revoked[string(cert.SerialNumber.Bytes())]
	switch {
	case !listed:
		return nil
	case held:
		return refuse(CodeHeld, "it is on hold")
	}
	return refuse(CodeRevoked, "it was revoked")
}
