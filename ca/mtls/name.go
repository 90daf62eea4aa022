package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxSPIFFE is the length of a SPIFFE ID in bytes (SPIFFE-ID, section 2.3).
const maxSPIFFE = 2048

// spiffeID is spiffe://<domain>/org/<organization>/service/<service>.
type spiffeID struct{ text, domain, organization, service string }

// parseSPIFFE takes an ID apart without any decoding: what is escaped, has a dot
// segment or anything else after the path is not one (SPIFFE-ID, section 2).
func parseSPIFFE(text string) (spiffeID, bool) {
	rest, ok := strings.CutPrefix(text, "spiffe://")
	parts := strings.Split(rest, "/")
	if !ok || len(text) > maxSPIFFE || len(parts) != 5 || parts[1] != "org" || parts[3] != "service" {
		return spiffeID{}, false
	}
	if !isDomain(parts[0]) || !PathSegment(parts[2]) || !PathSegment(parts[4]) {
		return spiffeID{}, false
	}
	return spiffeID{text, parts[0], parts[2], parts[4]}, true
}

// isDomain reports whether s may be a trust domain (SPIFFE-ID, section 2.1).
func isDomain(s string) bool { return PathSegment(s) && s == strings.ToLower(s) }

// PathSegment reports whether s may be a path segment of a SPIFFE ID (SPIFFE-ID,
// section 2.2).
func PathSegment(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

// CommonName reports whether s may be the common name of a client certificate: 1 to
// 64 visible characters or spaces (ub-common-name of RFC 5280, appendix A), with no
// space at either end.
func CommonName(s string) bool {
	hidden := func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	}
	return utf8.ValidString(s) && s != "" && utf8.RuneCountInString(s) <= 64 && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, hidden)
}

// checkNames wants one URI and no other name, a SPIFFE ID of the trust domain
// that the issuer's certificate has, and a subject of one organisation and one
// common name, with a serialNumber if another has the same names. They are for people, which nobody is let in by: the SPIFFE ID
// has the short names of organisation and service, which are not made of them.
func checkNames(cert, issuer *x509.Certificate) error {
	id, err := spiffeOf(cert)
	if err != nil {
		return err
	}
	for _, u := range issuer.URIs {
		if u.Scheme == "spiffe" && u.Host != id.domain {
			return refuse(CodeTrustDomain, "its trust domain, "+id.domain+", is not that of its CA, "+u.Host)
		}
	}
	switch s := cert.Subject; {
	case len(s.Names) != 2 && (len(s.Names) != 3 || s.SerialNumber == "") || len(s.Organization) != 1 || s.Organization[0] == "":
		return refuse(CodeSubject, "its subject is not one organisation and one common name, with at most a serialNumber")
	case !CommonName(s.CommonName):
		return refuse(CodeSubject, "the common name of its subject is not 1 to 64 visible characters")
	}
	return nil
}

// spiffeOf reads the one name of cert's subjectAltName (RFC 5280, section
// 4.2.1.6) from the bytes: the standard library passes over the kinds of name
// that it does not know, and rewrites the URIs.
func spiffeOf(cert *x509.Certificate) (spiffeID, error) {
	var names, name cryptobyte.String
	for _, e := range cert.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			names = cryptobyte.String(e.Value)
		}
	}
	uri := cbasn1.Tag(6).ContextSpecific()
	var list cryptobyte.String
	if !names.ReadASN1(&list, cbasn1.SEQUENCE) || !names.Empty() || !list.ReadASN1(&name, uri) || !list.Empty() {
		return spiffeID{}, refuse(CodeNames, "its alternative names are not exactly one URI")
	}
	id, ok := parseSPIFFE(string(name))
	if !ok {
		return spiffeID{}, refuse(CodeSPIFFE, "its URI is not the SPIFFE ID of a service")
	}
	return id, nil
}
