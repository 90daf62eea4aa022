package contact

import (
	"cmp"
	"encoding/asn1"
	"encoding/pem"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-ca/postern/issuance"
)

// chainFormat is how the certificate for a CSR is written down.
type chainFormat struct {
	mediaType, extension string
	write                func(chain [][]byte) ([]byte, error)
}

// chainFormats are the formats by the value of the form's field "format".
var chainFormats = map[string]chainFormat{
	"pem": {"application/x-pem-file", ".pem", chainPEM},
	"p7b": {"application/x-pkcs7-certificates", ".p7b", chainPKCS7},
	"cer": {"application/pkix-cert", ".cer", func(chain [][]byte) ([]byte, error) { return chain[0], nil }}, // RFC 2585, section 4.1
}

// parseChainFormat returns the format with the name s, PEM for "".
func parseChainFormat(s string) (chainFormat, error) {
	f, ok := chainFormats[cmp.Or(s, "pem")]
	if !ok {
		return f, issuance.Invalidf("format", "this is not a format for a certificate and its chain", "choose pem, p7b or cer")
	}
	return f, nil
}

// chainPEM returns the certificate, its issuer and the root, in this order.
func chainPEM(chain [][]byte) (out []byte, err error) {
	for _, der := range chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out, nil
}

// chainPKCS7 returns the same in one PKCS #7 structure that signs nothing
// (RFC 2315, section 9.1; RFC 5652, section 5.1), as Windows reads it.
func chainPKCS7(chain [][]byte) ([]byte, error) {
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
