package mtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
)

// KeyProblem says why Postern does not certify a public key, for example "its curve
// is neither P-256 nor P-384". It returns "" for keys that Postern certifies: ECDSA
// on P-256 or P-384, RSA of 2048, 3072 or 4096 bits with an odd exponent from 65537
// (NIST SP 800-56B, section 6.2), or Ed25519. It makes only quick checks of sizes
// and values; those that take milliseconds are made once, before a key is
// certified.
func KeyProblem(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return "its curve is neither P-256 nor P-384"
		}
		return ""
	case *rsa.PublicKey:
		return rsaProblem(k)
	case ed25519.PublicKey:
		return ed25519Problem(k)
	}
	return "it is not an ECDSA, RSA or Ed25519 key"
}

func rsaProblem(k *rsa.PublicKey) string {
	if k.N == nil || k.E < 65537 || k.E%2 == 0 {
		return "its RSA exponent is even or less than 65537"
	}
	if bits := k.N.BitLen(); bits != 2048 && bits != 3072 && bits != 4096 {
		return fmt.Sprintf("its RSA modulus has %d bits, not 2048, 3072 or 4096", bits)
	}
	if k.N.Bit(0) == 0 {
		return "its RSA modulus is even"
	}
	return ""
}

// ed25519Problem refuses the points of small order: signatures can be made for
// them without any private key. A point is compared without its sign bit, as
// RFC 7748, section 6.1, lists them for the other form of the curve.
func ed25519Problem(key []byte) string {
	if len(key) != ed25519.PublicKeySize {
		return "its Ed25519 point does not have 32 bytes"
	}
	point := [32]byte(key)
	point[31] &= 0x7f
	switch hex.EncodeToString(point[:]) {
	case "0000000000000000000000000000000000000000000000000000000000000000", // order 4
		"0100000000000000000000000000000000000000000000000000000000000000", // order 1
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 4, written otherwise
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": // order 1, written otherwise
		return "its Ed25519 point has a small order, so anyone can sign for it"
	}
	return ""
}
