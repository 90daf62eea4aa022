package lint

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// extensionID is one of the extensions that certificates of ours may have.
type extensionID int

const (
	keyUsage extensionID = iota
	extendedKeyUsage
	basicConstraints
	subjectKeyID
	authorityKeyID
	access
	alternativeName
	distributionPoints
	noCheck
	extensionCount
)

// extensionNames are the names of the lints, in the order of the ids.
var extensionNames = [extensionCount]string{
	"key_usage", "extended_key_usage", "basic_constraints", "subject_key_identifier", "authority_key_identifier",
	"authority_information_access", "subject_alternative_name", "crl_distribution_points", "ocsp_no_check",
}

// identify returns the extension with the contents of an object identifier.
func identify(oid []byte) (extensionID, bool) {
	if len(oid) == 3 && oid[0] == 0x55 && oid[1] == 0x1d { // id-ce
		switch oid[2] {
		case 14:
			return subjectKeyID, true
		case 15:
			return keyUsage, true
		case 17:
			return alternativeName, true
		case 19:
			return basicConstraints, true
		case 31:
			return distributionPoints, true
		case 35:
			return authorityKeyID, true
		case 37:
			return extendedKeyUsage, true
		}
	}
	switch string(oid) {
	case "\x2b\x06\x01\x05\x05\x07\x01\x01":
		return access, true
	case "\x2b\x06\x01\x05\x05\x07\x30\x01\x05":
		return noCheck, true
	}
	return 0, false
}

// extensions are the values that were found; nil where there is none.
type extensions [extensionCount][]byte

// readExtensions reads them all. An unknown one, one that is there twice, and one
// whose criticality is not that of our profiles is refused.
func readExtensions(all cryptobyte.String) (found extensions, r *Refusal) {
	for !all.Empty() {
		var extension, oid, critical, value cryptobyte.String
		isCritical := false
		if !all.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) ||
			!extension.ReadOptionalASN1(&critical, &isCritical, cbasn1.BOOLEAN) ||
			!extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() {
			return found, broken("extension_encoding", "an extension is not one of RFC 5280, section 4.1")
		}
		id, known := identify(oid)
		switch {
		case isCritical && !bytes.Equal(critical, []byte{0xff}):
			return found, broken("extension_encoding", "an extension's criticality is not DER")
		case !known:
			return found, broken("extension_unexpected", "it has an extension that no certificate of ours has")
		case found[id] != nil:
			return found, broken("extension_duplicate", "it has an extension twice, "+extensionNames[id])
		case isCritical != (id == keyUsage || id == basicConstraints):
			return found, broken("extension_criticality", "the criticality is wrong of the extension "+extensionNames[id])
		case len(value) == 0:
			return found, broken(extensionNames[id], "the extension is empty")
		}
		found[id] = value
	}
	return found, nil
}

// The values of extended key usages that certificates of ours have.
const (
	clientAuth  = "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
	serverAuth  = "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"
	ocspSigning = "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x09"
)

// kindOf returns what c says that it is, if the key may sign that.
func (s *Signer) kindOf(c *certificate, found *extensions) (kind Kind, r *Refusal) {
	switch usage := found[extendedKeyUsage]; {
	case string(usage) == clientAuth:
		kind = Client
	case string(usage) == serverAuth:
		kind = Server
	case string(usage) == ocspSigning:
		kind = Responder
	case usage != nil:
		return Unknown, broken("extended_key_usage",
			"it is for none of, or for more than one of clientAuth, serverAuth and OCSPSigning")
	case s.may(IssuingCA) == nil && !bytes.Equal(c.issuer, c.subject):
		kind = IssuingCA
	case s.may(Root) == nil:
		kind = Root
	default:
		return Unknown, broken("extended_key_usage", "it has no extended key usage")
	}
	return kind, s.may(kind)
}
