// Package cms writes certificates as one PKCS #7 structure, the format of .p7b files and
// EST answers. It does not sign or encrypt anything.
package cms

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// CertsOnly returns certificates, given in DER, in one SignedData that signs
// nothing (RFC 2315, section 9.1; RFC 5652, section 5.1).
func CertsOnly(chain [][]byte) ([]byte, error) {
	var (
		oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
		oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
		explicit0     = cbasn1.Tag(0).ContextSpecific().Constructed()
		b             cryptobyte.Builder
	)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // ContentInfo
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(explicit0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SignedData
				b.AddASN1Int64(1)                                        // version
				b.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})      // digestAlgorithms
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // contentInfo, without content
					b.AddASN1ObjectIdentifier(oidData)
				})
				b.AddASN1(explicit0, func(b *cryptobyte.Builder) { // certificates, IMPLICIT
					for _, der := range chain {
						b.AddBytes(der)
					}
				})
				b.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {}) // signerInfos
			})
		})
	})
	return b.Bytes()
}
