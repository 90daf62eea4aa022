package ca

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-ca/postern/ca/mtls"
)

// splitRequest is a CertificationRequest (RFC 2986, section 4), taken apart as far
// as key and signature. All but info are DER elements.
type splitRequest struct {
	info                      []byte // what is signed, whatever stands in it
	version, key              cryptobyte.String
	algorithm, signatureValue cryptobyte.String
}

// splitCSR takes a request apart. What its subject has, and whatever follows the
// key, is not looked at.
func splitCSR(der []byte) (r splitRequest, err error) {
	var request, element, info, name cryptobyte.String
	var version big.Int
	input := cryptobyte.String(der)
	switch {
	case !input.ReadASN1(&request, cbasn1.SEQUENCE):
		return r, refuseCSR("is not DER", csrHint)
	case !input.Empty():
		return r, refuseCSR("has more bytes after its end", "send the CSR as it was written")
	case !request.ReadASN1Element(&element, cbasn1.SEQUENCE):
		return r, refuseCSR("is not a PKCS #10 request", csrHint)
	}
	r.info = element
	outer := !element.ReadASN1(&info, cbasn1.SEQUENCE) || !request.ReadASN1Element(&r.algorithm, cbasn1.SEQUENCE) ||
		!request.ReadASN1Element(&r.signatureValue, cbasn1.BIT_STRING) || !request.Empty()
	inner := !info.ReadASN1Element(&r.version, cbasn1.INTEGER) || !info.ReadASN1(&name, cbasn1.SEQUENCE) ||
		!info.ReadASN1Element(&r.key, cbasn1.SEQUENCE)
	first := r.version // to be read without being used up
	switch {
	case outer || inner || !first.ReadASN1Integer(&version):
		return r, refuseCSR("is not a PKCS #10 request", csrHint)
	case version.Sign() != 0:
		return r, refuseCSR("is not PKCS #10 version 1", csrHint)
	}
	return r, nil
}

// bare returns r as the standard library reads it, with an empty subject and no
// attributes: it would refuse a request for those. What the signature is over is
// what was sent.
func (r splitRequest) bare() (*x509.CertificateRequest, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(r.version)
			b.AddASN1(cbasn1.SEQUENCE, func(*cryptobyte.Builder) {})
			b.AddBytes(r.key)
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(*cryptobyte.Builder) {})
		})
		b.AddBytes(r.algorithm)
		b.AddBytes(r.signatureValue)
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	csr.Raw, csr.RawTBSCertificateRequest = nil, r.info
	return csr, nil
}

// checkCSRKey returns the reason why a SubjectPublicKeyInfo (RFC 5280, section
// 4.1.2.7) cannot be certified.
func checkCSRKey(info cryptobyte.String) error {
	var spki, algorithm, parameters cryptobyte.String
	var oid asn1.ObjectIdentifier
	var key []byte
	if !info.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!spki.ReadASN1BitStringAsBytes(&key) || !spki.Empty() {
		return refuseCSR("its public key cannot be read", csrHint)
	}
	parameters = algorithm
	reason := ""
	switch oid.String() {
	case "1.2.840.113549.1.1.1":
		reason = rsaEncodingProblem(key)
	case "1.2.840.10045.2.1":
		reason = curveProblem(parameters, key)
	case "1.3.101.112":
		reason = mtls.KeyProblem(ed25519.PublicKey(key))
	default:
		reason = "its algorithm, " + algorithmName(oid.String()) + ", is not accepted"
	}
	if reason != "" {
		return refuseCSR("the key cannot be certified: "+reason, keyHint)
	}
	return nil
}

func algorithmName(oid string) string {
	names := map[string]string{
		"1.2.840.10040.4.1": "DSA", "1.2.840.10046.2.1": "Diffie-Hellman", "1.2.840.113549.1.1.10": "RSA-PSS",
		"1.3.101.110": "X25519", "1.3.101.111": "X448", "1.3.101.113": "Ed448",
		"2.16.840.1.101.3.4.3.17": "ML-DSA-44", "2.16.840.1.101.3.4.3.18": "ML-DSA-65", "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
	}
	if name, ok := names[oid]; ok {
		return name
	}
	return "number " + oid
}

func rsaEncodingProblem(key []byte) string {
	var n, e big.Int
	var sequence cryptobyte.String
	input := cryptobyte.String(key)
	if !input.ReadASN1(&sequence, cbasn1.SEQUENCE) || !input.Empty() ||
		!sequence.ReadASN1Integer(&n) || !sequence.ReadASN1Integer(&e) || !sequence.Empty() {
		return "its RSA numbers cannot be read"
	}
	return rsaProblem(&n, &e)
}

// curveProblem checks a named curve and an uncompressed point on it (RFC 5480).
func curveProblem(parameters cryptobyte.String, point []byte) string {
	var oid asn1.ObjectIdentifier
	if !parameters.ReadASN1ObjectIdentifier(&oid) || !parameters.Empty() {
		return "its curve is not a named one"
	}
	var curve ecdh.Curve
	switch oid.String() {
	case "1.2.840.10045.3.1.7":
		curve = ecdh.P256()
	case "1.3.132.0.34":
		curve = ecdh.P384()
	default:
		return "its curve, " + curveName(oid.String()) + ", is neither P-256 nor P-384"
	}
	switch {
	case len(point) == 0 || point[0] == 0:
		return "its point is the point at infinity"
	case point[0] == 2 || point[0] == 3:
		return "its point is compressed, which many programs do not read"
	}
	if _, err := curve.NewPublicKey(point); err != nil {
		return "its point does not lie on the curve"
	}
	return ""
}

func curveName(oid string) string {
	names := map[string]string{
		"1.2.840.10045.3.1.1": "P-192", "1.3.132.0.33": "P-224", "1.3.132.0.35": "P-521", "1.3.132.0.10": "secp256k1",
		"1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
	}
	if name, ok := names[oid]; ok {
		return name
	}
	return "number " + oid
}
