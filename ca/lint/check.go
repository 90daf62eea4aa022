package lint

import (
	"bytes"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// The fewest and the most bytes of a serial number: 64 random bits (CA/Browser Forum,
// though we follow it in little else), and RFC 5280, section 4.1.2.2.
const (
	minSerial = 8
	maxSerial = 20
)

// checkCertificate compares c with the profile of what its extended key usage says it is.
func (s *Signer) checkCertificate(c certificate) (Kind, *Refusal) {
	found, r := readExtensions(c.extensions)
	if r != nil {
		return Unknown, r
	}
	kind, r := s.kindOf(&c, &found)
	if r != nil {
		return kind, r
	}
	if r = checkSerial(c.serial); r != nil {
		return kind, r
	}
	switch {
	case string(c.algorithm) != s.scheme.algorithm:
		return kind, broken("signature_algorithm", "it is not the one of the issuer's key")
	case s.rules.Issuer != nil && !bytes.Equal(c.issuer, s.rules.Issuer.RawSubject),
		kind == Root && !bytes.Equal(c.issuer, c.subject):
		return kind, broken("issuer", "it is not the name of the CA that signs")
	}
	if r = s.checkValidity(kind, c.begin, c.end); r != nil {
		return kind, r
	}
	if r = checkSubject(kind, c.subject); r != nil {
		return kind, r
	}
	keyBits, r := checkKey(c.key)
	if r != nil {
		return kind, r
	}
	return kind, s.checkExtensions(kind, &c, &found, keyBits)
}

func checkSerial(serial []byte) *Refusal {
	switch {
	case len(serial) == 0 || serial[0]&0x80 != 0 || len(serial) == 1 && serial[0] == 0:
		return broken("serial_positive", "the serial number is not positive")
	case len(serial) > maxSerial:
		return broken("serial_length", "the serial number is longer than 20 bytes")
	case len(serial) < minSerial || len(serial) == minSerial && serial[0] == 0:
		return broken("serial_entropy", "the serial number has fewer than 64 bits")
	}
	return nil
}

func (s *Signer) checkValidity(kind Kind, begin, end time.Time) *Refusal {
	switch {
	case !end.After(begin):
		return broken("validity_positive", "notAfter is not after notBefore")
	case s.rules.Issuer != nil && end.After(s.rules.Issuer.NotAfter):
		return broken("validity_issuer", "notAfter is after that of the issuing CA")
	case end.After(s.latest(kind, begin)):
		return broken("validity_length", "it is valid for longer than the policy allows")
	}
	return nil
}

// latest returns the last moment at which a certificate of a kind may expire.
func (s *Signer) latest(kind Kind, begin time.Time) time.Time {
	switch kind {
	case Client:
		if s.rules.Validity == (issuance.Period{}) {
			return begin.AddDate(longestIssuerYears, 0, 1)
		}
		return s.rules.Validity.After(begin.Add(s.rules.Backdate))
	case Server:
		return begin.Add(longestServer)
	case Responder:
		return begin.Add(longestResponder)
	case IssuingCA:
		return begin.AddDate(longestIssuerYears, 0, 2)
	}
	return begin.AddDate(longestRootYears, 0, 2)
}
