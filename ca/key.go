package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"

	"go.step.sm/crypto/keyutil"

	"github.com/postern-ca/postern/issuance"
)

// NewKey makes a private key. RSA takes up to seconds of processor time: the
// caller bounds how many are made at once.
func NewKey(algorithm issuance.KeyAlgorithm) (crypto.Signer, error) {
	var kty, curve string
	var bits int
	switch algorithm {
	case issuance.P256, issuance.P384:
		kty, curve = "EC", string(algorithm)
	case issuance.RSA2048:
		kty, bits = "RSA", 2048
	case issuance.RSA3072:
		kty, bits = "RSA", 3072
	case issuance.RSA4096:
		kty, bits = "RSA", 4096
	case issuance.Ed25519:
		kty, curve = "OKP", "Ed25519"
	default:
		_, err := issuance.ParseKeyAlgorithm("unknown " + string(algorithm))
		return nil, err
	}
	key, err := keyutil.GenerateSigner(kty, curve, bits)
	if err != nil {
		return nil, fmt.Errorf("making a %s key: %w", algorithm, err)
	}
	return key, nil
}

// KeyAlgorithmOf returns the algorithm of a public key. Its error, of kind
// Invalid, says which key cannot be certified and why: another algorithm, curve
// or size than [issuance.KeyAlgorithms], or an RSA exponent below 65537.
func KeyAlgorithmOf(key crypto.PublicKey) (issuance.KeyAlgorithm, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return issuance.P256, nil
		case elliptic.P384():
			return issuance.P384, nil
		}
		return "", unfit("its curve is neither P-256 nor P-384")
	case *rsa.PublicKey:
		return rsaAlgorithm(k)
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return issuance.Ed25519, nil
		}
	}
	return "", unfit("it is not an ECDSA, RSA or Ed25519 key")
}

func rsaAlgorithm(k *rsa.PublicKey) (issuance.KeyAlgorithm, error) {
	if k.N == nil || k.E < 65537 || k.E%2 == 0 {
		return "", unfit("its RSA exponent is even or less than 65537")
	}
	switch k.N.BitLen() {
	case 2048:
		return issuance.RSA2048, nil
	case 3072:
		return issuance.RSA3072, nil
	case 4096:
		return issuance.RSA4096, nil
	}
	return "", unfit(fmt.Sprintf("its RSA modulus has %d bits, not 2048, 3072 or 4096", k.N.BitLen()))
}

func unfit(reason string) error {
	return issuance.Invalidf("key", "the key cannot be certified: "+reason, keyHint)
}

const keyHint = "make a new key: P-256 (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256), P-384, RSA of 2048, 3072 or 4096 bits, or Ed25519"
