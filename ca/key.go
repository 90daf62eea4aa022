package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"strconv"

	"go.step.sm/crypto/keyutil"

	"github.com/postern-ca/postern/ca/mtls"
	"github.com/postern-ca/postern/issuance"
)

// NewKey creates a private key. RSA can take seconds of processor time: the caller
// limits how many are created at once.
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

// KeyAlgorithmOf returns the algorithm of a public key. Its error, of kind Invalid,
// says why a key cannot be certified: its algorithm, curve or size is not among
// [issuance.KeyAlgorithms], or it has an RSA exponent below 65537.
func KeyAlgorithmOf(key crypto.PublicKey) (issuance.KeyAlgorithm, error) {
	if problem := mtls.KeyProblem(key); problem != "" {
		return "", unfit(problem)
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return issuance.KeyAlgorithm(k.Curve.Params().Name), nil
	case *rsa.PublicKey:
		return issuance.KeyAlgorithm("RSA-" + strconv.Itoa(k.N.BitLen())), nil
	default:
		return issuance.Ed25519, nil
	}
}

func unfit(reason string) error {
	return issuance.Invalidf("key", "the key cannot be certified: "+reason, keyHint)
}

const keyHint = "create a new key: P-256 (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256), P-384, " +
	"RSA of 2048, 3072 or 4096 bits, or Ed25519"
