package mtls

import (
	"crypto/x509"
)

// checkSignature returns an error unless signature is issuer's over signed, made
// by an algorithm that Postern's CAs, or an outside root above them, sign with:
// SHA-2 with ECDSA or RSA (RFC 5758, RFC 4055), or Ed25519 (RFC 8410). SHA-1 and
// MD5 are refused here, whatever the standard library is told to accept.
func checkSignature(issuer *x509.Certificate, algorithm x509.SignatureAlgorithm, signed, signature []byte) error {
	switch algorithm {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.PureEd25519:
	default:
		return refuse(CodeWeakHash, "it is signed with "+algorithm.String()+", which is not accepted")
	}
	if err := issuer.CheckSignature(algorithm, signed, signature); err != nil {
		return &Error{Code: CodeSignature, Message: "its signature is not that of the CA whose name it bears", Err: err}
	}
	return nil
}
