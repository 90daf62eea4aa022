package mtls

import (
	"crypto/x509"

	"github.com/postern-ca/postern/ca/crlfile"
)

// checkSignature returns an error unless signature is issuer's over signed, made
// by an algorithm that our CAs sign with. SHA-1 and MD5 are refused here, whatever
// the standard library is told to accept.
func checkSignature(issuer *x509.Certificate, algorithm x509.SignatureAlgorithm, signed, signature []byte) error {
	if !crlfile.AcceptsSignature(algorithm) {
		return refuse(CodeWeakHash, "it is signed with "+algorithm.String()+", which is not accepted")
	}
	if err := issuer.CheckSignature(algorithm, signed, signature); err != nil {
		return &Error{Code: CodeSignature, Message: "its signature is not from the CA that it names", Err: err}
	}
	return nil
}
