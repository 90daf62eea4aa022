package est

import (
	"encoding/asn1"
	"net/http"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// csrAttributes answers with what a CSR should be like (RFC 7030, section 4.5).
func (e *EST) csrAttributes(w http.ResponseWriter, r *http.Request) {
	answer(w, r, "application/csrattrs", e.attributes)
}

// wanted returns the CsrAttrs (RFC 7030, section 4.5.2) for a P-256 key and a signature
// with SHA-256. It is a hint: every key that can be certified is accepted.
func wanted() ([]byte, error) {
	var (
		ecPublicKey     = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
		prime256v1      = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
		ecdsaWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
		b               cryptobyte.Builder
	)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(ecPublicKey)
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(prime256v1) })
		})
		b.AddASN1ObjectIdentifier(ecdsaWithSHA256)
	})
	return b.Bytes()
}
