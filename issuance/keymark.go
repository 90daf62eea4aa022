package issuance

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
)

// MarkOf returns the digest by which public keys are known: the same for all of
// which one private key gives another. It is the SHA-256 of an RSA modulus, whatever
// the exponent, of the x coordinate of a point, whatever its sign, and of an Ed25519
// point without its sign bit; without leading zeros, so that the first two are what
// `badkeys` calls BKHASH. "" for what is no public key.
func MarkOf(key crypto.PublicKey) Digest {
	var value []byte
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N == nil {
			return ""
		}
		value = k.N.Bytes()
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return ""
		}
		value = bytes.TrimLeft(point[1:1+len(point)/2], "\x00")
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return ""
		}
		value = bytes.Clone(k)
		value[len(value)-1] &= 0x7f
	default:
		return ""
	}
	sum := sha256.Sum256(value)
	return Digest(hex.EncodeToString(sum[:]))
}

// Mark returns the mark of c's key; of a record from before marks were kept, by
// reading the certificate. "" if there is none that can be read.
func (c Certificate) Mark() Digest {
	if c.KeyMark != "" || len(c.DER) == 0 {
		return c.KeyMark
	}
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return ""
	}
	return MarkOf(cert.PublicKey)
}
