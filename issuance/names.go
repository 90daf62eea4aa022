package issuance

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"unicode/utf16"
)

// sameNames returns nil if csr, a PKCS #10 request in DER, asks for the subject
// and the alternative names of cert (DER) and for no change of them (RFC 7030,
// section 4.2.2). Subjects are the same if they have the same attributes in the
// same order, whichever string type they are written in.
func sameNames(csr, cert []byte) error {
	have, err := x509.ParseCertificate(cert)
	if err != nil {
		return fmt.Errorf("reading the certificate to renew: %w", err)
	}
	asked, ok := readAsked(csr)
	if !ok {
		return refuseNames("cannot be read")
	}
	switch {
	case !slices.Equal(attributes(asked.subject), attributes(have.RawSubject)):
		return refuseNames("its subject differs from that of the certificate, " + have.Subject.String())
	case !bytes.Equal(alternativeNames(asked.extensions), alternativeNames(have.Extensions)):
		return refuseNames("its alternative names (SAN) differ from those of the certificate: " + alternatives(have))
	case asked.change:
		return refuseNames("it asks for a change of the names (ChangeSubjectName)")
	}
	return nil
}

func refuseNames(message string) error {
	return &Error{
		Kind: Invalid, Code: CodeCSR, Field: "csr", Message: message,
		Hint: "make the CSR with exactly the subject and the alternative name of the certificate to renew",
	}
}

// attributes returns each attribute of a name as text, nil if the name cannot be read.
func attributes(raw []byte) []string {
	var name asn1.RawValue
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return nil
	}
	out := []string{""} // a name without attributes is not one that cannot be read
	for i, set := range elements(name.Bytes) {
		for _, a := range elements(set.Bytes) {
			var one struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			if _, err := asn1.Unmarshal(a.FullBytes, &one); err != nil {
				return nil
			}
			out = append(out, fmt.Sprintf("%d %s %q", i, one.Type, textOf(one.Value)))
		}
	}
	return out
}

// textOf returns what an attribute says, whichever of the types of DirectoryString it
// is written in (RFC 5280, section 4.1.2.4).
func textOf(v asn1.RawValue) string {
	var units []uint16
	switch v.Tag {
	case asn1.TagBMPString:
		for i := 0; i+1 < len(v.Bytes); i += 2 {
			units = append(units, uint16(v.Bytes[i])<<8|uint16(v.Bytes[i+1]))
		}
	case asn1.TagT61String: // in practice Latin-1
		for _, b := range v.Bytes {
			units = append(units, uint16(b))
		}
	default:
		return string(v.Bytes)
	}
	return string(utf16.Decode(units))
}

// alternativeNames returns the value of the one subjectAltName extension, nil if
// there is none, or more than one.
func alternativeNames(extensions []pkix.Extension) (value []byte) {
	for _, e := range extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			continue
		}
		if value != nil {
			return nil
		}
		value = e.Value
	}
	return value
}

// alternatives writes c's alternative names as a CSR's configuration does.
func alternatives(c *x509.Certificate) string {
	var out []string
	for _, u := range c.URIs {
		out = append(out, "URI:"+u.String())
	}
	return list(out)
}
