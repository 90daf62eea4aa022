package ca

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxNonce is the most bytes of a nonce; less than one is none (RFC 9654, section 2.1).
const maxNonce = 128

// nonceIdentifier is id-pkix-ocsp-nonce, 1.3.6.1.5.5.7.48.1.2, without its tag.
func nonceIdentifier() []byte { return []byte{0x2b, 6, 1, 5, 5, 7, 48, 1, 2} }

// nonce returns the nonce of a request, nil if it has none. False for extensions
// that cannot be read, a second nonce, or one that is empty or too long: RFC 9654
// has these answered with malformedRequest.
func (a ocspAsked) nonce() (nonce []byte, ok bool) {
	if a.extensions.Empty() {
		return nil, true
	}
	var list cryptobyte.String
	extensions := a.extensions
	if !extensions.ReadASN1(&list, asn1.SEQUENCE) || !extensions.Empty() {
		return nil, false
	}
	for !list.Empty() {
		var extension, oid, value, content cryptobyte.String
		if !list.ReadASN1(&extension, asn1.SEQUENCE) || !extension.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
			!extension.SkipOptionalASN1(asn1.BOOLEAN) || !extension.ReadASN1(&value, asn1.OCTET_STRING) || !extension.Empty() {
			return nil, false
		}
		if !bytes.Equal(oid, nonceIdentifier()) {
			continue
		}
		if nonce != nil || !value.ReadASN1(&content, asn1.OCTET_STRING) || !value.Empty() || content.Empty() ||
			len(content) > maxNonce {
			return nil, false
		}
		nonce = content
	}
	return nonce, true
}

// addNonce adds the responseExtensions with a nonce; nothing if there is none.
func addNonce(b *cryptobyte.Builder, nonce []byte) {
	if nonce == nil {
		return
	}
	b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(nonceIdentifier()) })
				b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
			})
		})
	})
}
