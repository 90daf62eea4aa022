package issuance

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
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
	asked, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return refuseNames("cannot be read")
	}
	switch {
	case !slices.Equal(attributes(asked.RawSubject), attributes(have.RawSubject)):
		return refuseNames("its subject differs from that of the certificate, " + have.Subject.String())
	case !bytes.Equal(alternativeNames(asked.Extensions), alternativeNames(have.Extensions)):
		return refuseNames("its alternative names (SAN) differ from those of the certificate: " + alternatives(have))
	case asksForChange(asked.RawTBSCertificateRequest):
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
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return nil
	}
	out := []string{""} // a name without attributes is not one that cannot be read
	for i, set := range name {
		for _, a := range set {
			out = append(out, fmt.Sprintf("%d %s %q", i, a.Type, fmt.Sprint(a.Value)))
		}
	}
	return out
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

// asksForChange reports whether a CertificationRequestInfo (RFC 2986, section
// 4.1) has the attribute ChangeSubjectName (RFC 6402, section 2.8).
func asksForChange(raw []byte) bool {
	var info struct {
		Version    int
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Attributes []asn1.RawValue `asn1:"tag:0"`
	}
	if _, err := asn1.Unmarshal(raw, &info); err != nil {
		return true
	}
	for _, a := range info.Attributes {
		var kind asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(a.Bytes, &kind); err != nil || kind.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 36}) {
			return true
		}
	}
	return false
}
