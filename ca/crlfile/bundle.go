package crlfile

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"time"
)

const (
	crlType  = "X509 CRL"
	pemBegin = "-----BEGIN "
	blank    = " \t\r\n"
)

// Bundle is the contents of a file. It must not be changed.
type Bundle struct {
	Lists      []*List
	PassedOver int // CRLs that [Check.PassOver] left out
}

// List is the CRL of one CA.
type List struct {
	*x509.RevocationList
	Issuer *x509.Certificate // nil if the list was not verified
}

// Parse reads a file without verifying it; [Check.Verify] does that. Its error is
// an [*Error] of [CodeRubbish] if the file is anything but CRLs in PEM, from the
// first byte to the last.
func Parse(text []byte) (*Bundle, error) {
	var b Bundle
	rest := text
	for {
		if rest = bytes.TrimLeft(rest, blank); len(rest) == 0 {
			break
		}
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, refuse(CodeRubbish, "CRL %d of the file is truncated or not PEM", len(b.Lists)+1)
		}
		// The decoder skips what it cannot read, to the next block that it can.
		own := rest[:len(rest)-len(after)]
		if !bytes.HasPrefix(own, []byte(pemBegin)) || bytes.Count(own, []byte(pemBegin)) != 1 ||
			len(block.Headers) != 0 || block.Type != crlType {
			return nil, refuse(CodeRubbish, "the file has something other than a CRL, at CRL %d", len(b.Lists)+1)
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, refuse(CodeRubbish, "CRL %d of the file cannot be read: %v", len(b.Lists)+1, err)
		}
		if len(list.Raw) != len(block.Bytes) {
			return nil, refuse(CodeRubbish, "CRL %d of the file has something after its end", len(b.Lists)+1)
		}
		b.Lists, rest = append(b.Lists, &List{RevocationList: list}), after
	}
	switch {
	case len(b.Lists) == 0:
		return nil, refuse(CodeRubbish, "there are no CRLs in the file")
	case text[len(text)-1] != '\n':
		// The last line is whole, but whoever wrote it ends it: something was cut.
		return nil, refuse(CodeRubbish, "the file ends within a line")
	}
	return &b, nil
}

// Lapses returns when the first of the CRLs expires: from then on, servers refuse
// everybody below its CA. A list without nextUpdate counts as expired.
func (b *Bundle) Lapses() time.Time {
	var first time.Time
	for i, l := range b.Lists {
		if i == 0 || l.NextUpdate.Before(first) {
			first = l.NextUpdate
		}
	}
	return first
}

// by returns the list that was verified to be of ca, nil for none.
func (b *Bundle) by(ca *x509.Certificate) *List {
	for _, l := range b.Lists {
		if same(l.Issuer, ca) {
			return l
		}
	}
	return nil
}

// LapsedAt reports whether the list has expired at t, that is, whether its
// nextUpdate has come. A list without nextUpdate has always expired.
func (l *List) LapsedAt(t time.Time) bool { return !t.Before(l.NextUpdate) }

// Head returns a copy without entries and without bytes, which is enough for
// [Check.Previous] and for the dates. The list must have been verified.
func (l *List) Head() *List {
	return &List{Issuer: l.Issuer, RevocationList: &x509.RevocationList{
		RawIssuer: l.Issuer.RawSubject, Issuer: l.Issuer.Subject, AuthorityKeyId: l.Issuer.SubjectKeyId,
		Number: l.Number, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate,
	}}
}

// Name returns the CA's common name, or its whole subject if it has none.
func (l *List) Name() string {
	if cn := l.RevocationList.Issuer.CommonName; cn != "" {
		return cn
	}
	return l.RevocationList.Issuer.String()
}

// Key returns the identifier of the CA's key, in hexadecimal; "" if the list names none.
func (l *List) Key() string { return hex.EncodeToString(l.AuthorityKeyId) }

// number returns the CRL number for comparing and printing; one that is not there is below all.
func (l *List) number() *big.Int {
	if l.Number == nil {
		return big.NewInt(-1)
	}
	return l.Number
}
