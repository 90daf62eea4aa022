package lint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"fmt"
)

// scheme is how a CA signs.
type scheme struct {
	algorithm string // AlgorithmIdentifier, DER
	hash      crypto.Hash
	throwAway func() (crypto.Signer, error) // makes a key that signs in the same way
}

func schemeOf(key crypto.PublicKey) (scheme, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return scheme{"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00", crypto.SHA256, func() (crypto.Signer, error) {
			return rsa.GenerateKey(rand.Reader, 2048)
		}}, nil
	case *ecdsa.PublicKey:
		for _, c := range []struct {
			curve elliptic.Curve
			hash  crypto.Hash
			last  string
		}{
			{elliptic.P256(), crypto.SHA256, "\x02"}, {elliptic.P384(), crypto.SHA384, "\x03"}, {elliptic.P521(), crypto.SHA512, "\x04"},
		} {
			if k.Curve == c.curve {
				return scheme{"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03" + c.last, c.hash, func() (crypto.Signer, error) {
					return ecdsa.GenerateKey(c.curve, rand.Reader)
				}}, nil
			}
		}
	case ed25519.PublicKey:
		return scheme{"\x30\x05\x06\x03\x2b\x65\x70", 0, func() (crypto.Signer, error) {
			_, k, err := ed25519.GenerateKey(rand.Reader)
			return k, err
		}}, nil
	}
	return scheme{}, fmt.Errorf("a CA with a key of type %T cannot be linted", key)
}
