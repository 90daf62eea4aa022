package contact

import (
	"cmp"
	"encoding/pem"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/cms"
)

// chainFormat is a format of the certificate for a CSR.
type chainFormat struct {
	mediaType, extension string
	write                func(chain [][]byte) ([]byte, error)
}

// chainFormats are the formats by the value of the form's field "format".
var chainFormats = map[string]chainFormat{
	"pem": {"application/x-pem-file", ".pem", chainPEM},
	"p7b": {"application/x-pkcs7-certificates", ".p7b", cms.CertsOnly},
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
