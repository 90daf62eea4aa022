package lint

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// profileOf says which extensions a kind has, as a set of bits.
func profileOf(kind Kind) (has [extensionCount]bool) {
	has[keyUsage], has[basicConstraints], has[subjectKeyID] = true, true, true
	has[extendedKeyUsage] = kind == Client || kind == Server || kind == Responder
	has[authorityKeyID] = kind != Root
	has[access] = kind == Client || kind == Server || kind == IssuingCA
	has[distributionPoints] = has[access]
	has[alternativeName] = kind != Responder
	has[noCheck] = kind == Responder
	return has
}

// checkExtensions compares what was found with the profile of kind, value by value.
func (s *Signer) checkExtensions(kind Kind, c *certificate, found *extensions, key []byte) *Refusal {
	has := profileOf(kind)
	for id, value := range found {
		switch {
		case has[id] && value == nil:
			return broken("extension_missing", "it lacks the extension "+extensionNames[id])
		case !has[id] && value != nil:
			return broken("extension_unexpected", "it has an extension that its kind has not, "+extensionNames[id])
		case value != nil && !s.holds(extensionID(id), kind, c, value, key):
			return broken(extensionNames[id], "the value is not that of the profile")
		}
	}
	return nil
}

// holds reports whether an extension's value is that of the profile of kind.
func (s *Signer) holds(id extensionID, kind Kind, c *certificate, value, key []byte) bool {
	ca := kind == Root || kind == IssuingCA
	switch id {
	case keyUsage:
		if ca {
			return string(value) == "\x03\x02\x01\x06" // keyCertSign, cRLSign
		}
		return string(value) == "\x03\x02\x07\x80" // digitalSignature
	case basicConstraints:
		return string(value) == constraintsOf(kind)
	case subjectKeyID:
		return holdsKeyID(value, key, ca)
	case authorityKeyID:
		return bytes.Equal(value, s.encoded.authorityKeyID)
	case access:
		if kind == Client {
			return bytes.Equal(value, s.encoded.clientAccess)
		}
		return bytes.Equal(value, s.encoded.serverAccess)
	case alternativeName:
		return s.holdsNames(kind, value)
	case distributionPoints:
		return isPoint(value, s.pointOf(kind, c.serial))
	case noCheck:
		return string(value) == "\x05\x00"
	}
	return true // extendedKeyUsage: kind was read from it
}

// constraintsOf is CA:FALSE of a leaf, and CA:TRUE with its pathLenConstraint.
func constraintsOf(kind Kind) string {
	switch kind {
	case Root:
		return "\x30\x06\x01\x01\xff\x02\x01\x01"
	case IssuingCA:
		return "\x30\x06\x01\x01\xff\x02\x01\x00"
	}
	return "\x30\x00"
}

// holdsKeyID reports whether a key identifier is made of key as RFC 7093, section 2,
// method 1, has it; smallstep makes those of CAs as RFC 5280, section 4.2.1.2, does.
func holdsKeyID(value, key []byte, ca bool) bool {
	if len(value) != 22 || value[0] != 4 || value[1] != 20 {
		return false
	}
	sum := sha256.Sum256(key)
	if bytes.Equal(value[2:], sum[:20]) {
		return true
	}
	old := sha1.Sum(key)
	return ca && bytes.Equal(value[2:], old[:])
}

// pointOf returns the address of the CRL that a certificate has to name.
func (s *Signer) pointOf(kind Kind, serial []byte) string {
	if kind == Client && s.rules.Point != nil {
		return s.rules.Point(serial)
	}
	return s.rules.CRL
}

// isPoint reports whether value is one distribution point with one address, want.
func isPoint(value []byte, want string) bool {
	var points, point, name, full, address cryptobyte.String
	input := cryptobyte.String(value)
	explicit := cbasn1.Tag(0).ContextSpecific().Constructed()
	return input.ReadASN1(&points, cbasn1.SEQUENCE) && input.Empty() &&
		points.ReadASN1(&point, cbasn1.SEQUENCE) && points.Empty() &&
		point.ReadASN1(&name, explicit) && point.Empty() &&
		name.ReadASN1(&full, explicit) && name.Empty() &&
		full.ReadASN1(&address, cbasn1.Tag(6).ContextSpecific()) && full.Empty() && string(address) == want
}
