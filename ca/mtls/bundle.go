package mtls

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// clockSkew is how far ahead of ours the clock of a CA may be.
const clockSkew = 5 * time.Minute

// revocationList is a CRL that was verified. It never changes.
type revocationList struct {
	number     *big.Int // nil if it has none
	thisUpdate time.Time
	nextUpdate time.Time
	revoked    map[string]bool // by the octets of the serial number; true if held
}

// bundle is the CRLs of a hierarchy, by the CA's certificate (DER).
type bundle map[string]*revocationList

// readBundle reads and verifies a bundle (PEM): every CA of cas that stands at now
// has one CRL in it, complete, signed by it, current, and not older than the one in
// before. CRLs of other CAs are passed over: there may be a new issuing CA that
// this service does not trust yet.
func (c *CAs) readBundle(data []byte, before bundle, now time.Time) (bundle, error) {
	read := bundle{}
	for rest := bytes.TrimSpace(data); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		// What stands between the blocks would be passed over otherwise.
		if !bytes.HasPrefix(rest, []byte("-----BEGIN X509 CRL-----")) {
			return nil, errors.New("there is something that is not a CRL in PEM")
		}
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "X509 CRL" {
			return nil, errors.New("a CRL is broken, or cut short")
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading a CRL: %w", err)
		}
		ca := c.issuerOfList(list)
		if ca == nil {
			continue
		}
		if read[string(ca.Raw)] != nil {
			return nil, fmt.Errorf("there are two CRLs of %s", ca.Subject)
		}
		if read[string(ca.Raw)], err = readList(list, ca, before[string(ca.Raw)], now); err != nil {
			return nil, fmt.Errorf("the CRL of %s %w", ca.Subject, err)
		}
	}
	for _, ca := range c.all {
		if read[string(ca.Raw)] == nil && !now.Before(ca.NotBefore) && !now.After(ca.NotAfter) {
			return nil, fmt.Errorf("there is no CRL of %s", ca.Subject)
		}
	}
	return read, nil
}

func (c *CAs) issuerOfList(list *x509.RevocationList) *x509.Certificate {
	for _, ca := range c.all {
		if bytes.Equal(list.RawIssuer, ca.RawSubject) && bytes.Equal(list.AuthorityKeyId, ca.SubjectKeyId) {
			return ca
		}
	}
	return nil
}

// readList checks what ca has to say for itself (RFC 5280, section 6.3.3).
func readList(list *x509.RevocationList, ca *x509.Certificate, before *revocationList, now time.Time) (*revocationList, error) {
	if ca.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return nil, errors.New("comes from a CA that signs none")
	}
	if err := checkSignature(ca, list.SignatureAlgorithm, list.RawTBSRevocationList, list.Signature); err != nil {
		return nil, fmt.Errorf("is not signed by it: %w", err)
	}
	for _, e := range list.Extensions {
		if e.Critical { // as a delta CRL's, an indirect or a partial one's
			return nil, fmt.Errorf("has the critical extension %s, so that it is not a complete CRL", e.Id)
		}
	}
	switch {
	case list.ThisUpdate.After(now.Add(clockSkew)):
		return nil, fmt.Errorf("is of the future, %s; is the clock right?", list.ThisUpdate.Format(time.RFC3339))
	case list.NextUpdate.IsZero():
		return nil, errors.New("does not say how long it is good for")
	case now.After(list.NextUpdate):
		return nil, fmt.Errorf("has lapsed at %s", list.NextUpdate.Format(time.RFC3339))
	case before != nil && before.isAfter(list):
		return nil, fmt.Errorf("is older than the one that is here: number %v after %v", list.Number, before.number)
	}
	revoked, err := readEntries(list.RevokedCertificateEntries)
	return &revocationList{list.Number, list.ThisUpdate, list.NextUpdate, revoked}, err
}

// isAfter reports whether l was made after list, which must not replace it then.
func (l *revocationList) isAfter(list *x509.RevocationList) bool {
	if l.number != nil && list.Number != nil {
		if order := l.number.Cmp(list.Number); order != 0 {
			return order > 0
		}
	}
	return l.number != nil && list.Number == nil || l.thisUpdate.After(list.ThisUpdate)
}

func readEntries(entries []x509.RevocationListEntry) (map[string]bool, error) {
	const hold = 6 // certificateHold (RFC 5280, section 5.3.1)
	revoked := make(map[string]bool, len(entries))
	for _, entry := range entries {
		for _, e := range entry.Extensions {
			if e.Critical { // as certificateIssuer, of an indirect CRL
				return nil, errors.New("has an entry with the critical extension " + e.Id.String())
			}
		}
		revoked[string(entry.SerialNumber.Bytes())] = entry.ReasonCode == hold
	}
	return revoked, nil
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
