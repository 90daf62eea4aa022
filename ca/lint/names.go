package lint

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// attributes are those that a subject of ours may have, by the last byte of id-at, in
// the order in which they stand.
const (
	country      = 6
	organization = 10
	commonName   = 3
	serialNumber = 5
)

// maxAttribute is the most characters of each (RFC 5280, appendix A.1).
const maxAttribute = 64

// checkSubject refuses a name that is not O and CN; a client's may have a serialNumber
// after them, a server's may lack the CN, and a responder's has what its CA has.
func checkSubject(kind Kind, subject cryptobyte.String) *Refusal {
	var name cryptobyte.String
	if !subject.ReadASN1(&name, cbasn1.SEQUENCE) {
		return broken("subject", "it is not a name")
	}
	order := []byte{country, organization, commonName, serialNumber}
	var has [11]bool
	for at := 0; !name.Empty(); {
		id, r := readAttribute(&name)
		if r != nil {
			return r
		}
		next := bytes.IndexByte(order[at:], id)
		if next < 0 {
			return broken("subject", "it has an attribute that is not expected, is there twice, or is not in its place")
		}
		at, has[id] = at+next+1, true
	}
	switch {
	case !has[organization] && kind != Responder, !has[commonName] && kind != Server:
		return broken("subject", "it lacks O or CN")
	case has[serialNumber] && kind != Client, has[country] && kind != Responder:
		return broken("subject", "it has an attribute that its kind has not")
	}
	return nil
}

// readAttribute reads an RDN with one attribute of id-at, and returns which.
func readAttribute(name *cryptobyte.String) (id byte, r *Refusal) {
	var set, attribute, oid, value cryptobyte.String
	var tag cbasn1.Tag
	if !name.ReadASN1(&set, cbasn1.SET) || !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !set.Empty() ||
		!attribute.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || !attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() ||
		len(oid) != 3 || oid[0] != 0x55 || oid[1] != 4 {
		return 0, broken("subject", "it has a part that is not one attribute of X.520")
	}
	switch {
	case tag != cbasn1.UTF8String && tag != cbasn1.PrintableString:
		return 0, broken("subject_encoding", "an attribute is neither a UTF8String nor a PrintableString")
	case tag == cbasn1.PrintableString && !isPrintable(value):
		return 0, broken("subject_encoding", "a PrintableString has a character that it cannot have")
	case oid[2] == serialNumber && tag != cbasn1.PrintableString, oid[2] == country &&
		(tag != cbasn1.PrintableString || len(value) != 2):
		return 0, broken("subject_encoding", "an attribute is not the PrintableString that it must be")
	case !isText(value):
		return 0, broken("subject_characters", "an attribute is empty, longer than 64 characters or not clean UTF-8")
	}
	return oid[2], nil
}

// isText reports whether b is text on one line, with nothing to strip at its ends.
func isText(b []byte) bool {
	if len(b) == 0 || b[0] == ' ' || b[len(b)-1] == ' ' || !utf8.Valid(b) || utf8.RuneCount(b) > maxAttribute {
		return false
	}
	for _, r := range string(b) {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}

// isPrintable reports whether b is what a PrintableString may have (X.680, 41.4).
func isPrintable(b []byte) bool {
	for _, c := range b {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && bytes.IndexByte([]byte(" '()+,-./:=?"), c) < 0 {
			return false
		}
	}
	return true
}

// holdsNames reports whether a subjectAltName has what its kind has: a client the
// SPIFFE ID of its service, a CA that of the trust domain, a server names and addresses.
func (s *Signer) holdsNames(kind Kind, value []byte) bool {
	var names, name cryptobyte.String
	var tag cbasn1.Tag
	input := cryptobyte.String(value)
	if !input.ReadASN1(&names, cbasn1.SEQUENCE) || !input.Empty() || names.Empty() {
		return false
	}
	for first := true; !names.Empty(); first = false {
		if !names.ReadAnyASN1(&name, &tag) {
			return false
		}
		switch uri := tag == cbasn1.Tag(6).ContextSpecific(); {
		case kind == Server:
			if !isHost(tag, name) {
				return false
			}
		case !first || !uri || kind == Client && !s.isClientID(name) || kind != Client && string(name) != s.encoded.domainID:
			return false
		}
	}
	return true
}

// isClientID reports whether id is spiffe://DOMAIN/org/ORGANISATION/service/SERVICE.
func (s *Signer) isClientID(id []byte) bool {
	rest, ok := bytes.CutPrefix(id, []byte(s.encoded.clientID))
	org, service, ok2 := bytes.Cut(rest, []byte("/service/"))
	return ok && ok2 && isSegment(org) && isSegment(service)
}

// isSegment reports whether b can be a segment of a SPIFFE ID's path (SPIFFE-ID, section 2.2).
func isSegment(b []byte) bool {
	for _, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 255 && string(b) != "." && string(b) != ".."
}

// isHost reports whether a general name is a host's name, without wildcards, or an address.
func isHost(tag cbasn1.Tag, name []byte) bool {
	switch tag {
	case cbasn1.Tag(7).ContextSpecific():
		return len(name) == 4 || len(name) == 16
	case cbasn1.Tag(2).ContextSpecific():
		for label := range bytes.SplitSeq(name, []byte(".")) {
			if !isSegment(label) || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || bytes.ContainsRune(label, '_') {
				return false
			}
		}
		return len(name) <= 253
	}
	return false
}
