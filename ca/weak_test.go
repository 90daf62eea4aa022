package ca

import (
	"crypto/rsa"
	"math/big"
)

// authorityWeakRSA returns an RSA public key of 1024 bits.
func authorityWeakRSA() *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), 1023)
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
}
