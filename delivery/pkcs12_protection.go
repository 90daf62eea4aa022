package delivery

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"

	"github.com/postern-ca/postern/issuance"
)

// iterations of every key derivation, in both formats. Readers have limits of
// their own: Java 5,000,000, .NET 300,000 for one derivation and 1,000,000 in all.
// Readers of the compatible format know this count from keytool, which wrote its
// SHA-1 MAC with it before Java 16.
const iterations = 100_000

// protection is how one file is encrypted and authenticated under its password.
type protection struct {
	// seal encrypts one part of the file and tells the reader how.
	seal       func(plain []byte) (pkix.AlgorithmIdentifier, []byte, error)
	hash       func() hash.Hash // of the MAC
	hashID     asn1.ObjectIdentifier
	saltLength int
	password   string // ASCII
}

// newProtection returns the protection of target's format.
func newProtection(target issuance.Target, password string) (protection, error) {
	if target.Format() == issuance.Compatible {
		p := protection{hash: sha1.New, hashID: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, saltLength: 8, password: password}
		p.seal = p.seal3DES
		return p, nil
	}
	p := protection{
		hash: sha256.New, hashID: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, saltLength: 16,
		password: password,
	}
	sealed, err := newPBES2(password, newSalt(p.saltLength))
	p.seal = sealed.seal
	return p, err
}

// pbes2 is PBES2 of RFC 8018, section 6.2, with AES-256-CBC and
// PBKDF2-HMAC-SHA-256. Key and certificates of a file are encrypted under one
// key, each with an initialization vector of its own: a second derivation would
// cost the server as much again, and who guesses passwords nothing.
type pbes2 struct {
	block cipher.Block
	salt  []byte
}

func newPBES2(password string, salt []byte) (pbes2, error) {
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32)
	if err != nil {
		return pbes2{}, fmt.Errorf("deriving the file's key: %w", err)
	}
	block, err := aes.NewCipher(key)
	return pbes2{block, salt}, err
}

// pbes2Parameters is PBES2-params, RFC 8018, appendix A.4.
type pbes2Parameters struct {
	KDF    pbkdf2Algorithm
	Cipher aesAlgorithm
}

type pbkdf2Algorithm struct {
	ID         asn1.ObjectIdentifier
	Parameters pbkdf2Parameters
}

// pbkdf2Parameters is PBKDF2-params, RFC 8018, appendix A.2.
type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	PRF        pkix.AlgorithmIdentifier
}

type aesAlgorithm struct {
	ID asn1.ObjectIdentifier
	IV []byte
}

func (p pbes2) seal(plain []byte) (pkix.AlgorithmIdentifier, []byte, error) {
	iv := newSalt(aes.BlockSize)
	hmacSHA256 := asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	parameters, err := asn1.Marshal(pbes2Parameters{
		KDF: pbkdf2Algorithm{oidPKCS(5, 12), pbkdf2Parameters{
			p.salt, iterations, pkix.AlgorithmIdentifier{Algorithm: hmacSHA256, Parameters: asn1.NullRawValue},
		}},
		Cipher: aesAlgorithm{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, iv},
	})
	return pkix.AlgorithmIdentifier{
		Algorithm: oidPKCS(5, 13), Parameters: asn1.RawValue{FullBytes: parameters},
	}, encryptCBC(p.block, iv, plain), err
}

// pbeParameters is pkcs-12PbeParams, RFC 7292, appendix C.
type pbeParameters struct {
	Salt       []byte
	Iterations int
}

// seal3DES is pbeWithSHAAnd3-KeyTripleDES-CBC of RFC 7292, appendix C. The
// vector comes from the salt as well, so that each part needs its own salt.
func (p protection) seal3DES(plain []byte) (pkix.AlgorithmIdentifier, []byte, error) {
	salt := newSalt(p.saltLength)
	parameters, err := asn1.Marshal(pbeParameters{salt, iterations})
	if err != nil {
		return pkix.AlgorithmIdentifier{}, nil, err
	}
	block, err := des.NewTripleDESCipher(p.derive(keyPurpose, salt, 24))
	if err != nil {
		return pkix.AlgorithmIdentifier{}, nil, err
	}
	sealed := encryptCBC(block, p.derive(ivPurpose, salt, des.BlockSize), plain)
	return pkix.AlgorithmIdentifier{Algorithm: oidPKCS(12, 1, 3), Parameters: asn1.RawValue{FullBytes: parameters}}, sealed, nil
}

// encryptCBC pads plain as RFC 8018, section 6.1.1, step 4 says, and encrypts it.
func encryptCBC(block cipher.Block, iv, plain []byte) []byte {
	padding := block.BlockSize() - len(plain)%block.BlockSize()
	out := make([]byte, 0, len(plain)+padding)
	out = append(append(out, plain...), bytes.Repeat([]byte{byte(padding)}, padding)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return out
}

func newSalt(length int) []byte {
	salt := make([]byte, length)
	rand.Read(salt) // never fails: it ends the program instead
	return salt
}

// purpose is the ID of RFC 7292, appendix B.3.
type purpose byte

const (
	keyPurpose purpose = 1
	ivPurpose  purpose = 2
	macPurpose purpose = 3
)

// derive returns size bytes for a purpose by RFC 7292, appendix B.2.
func (p protection) derive(id purpose, salt []byte, size int) []byte {
	h := p.hash()
	v := h.BlockSize()
	// Appendix B.1: two bytes a character, big-endian, and two zero bytes.
	password := make([]byte, 2*len(p.password)+2)
	for i := range len(p.password) {
		password[2*i+1] = p.password[i]
	}
	diversifier := bytes.Repeat([]byte{byte(id)}, v)
	input := append(repeatTo(salt, v), repeatTo(password, v)...)
	var out []byte
	for {
		h.Reset()
		h.Write(diversifier)
		h.Write(input)
		a := h.Sum(nil)
		for range iterations - 1 {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		if out = append(out, a...); len(out) >= size {
			return out[:size]
		}
		b := repeatTo(a, v)[:v]
		for j := 0; j < len(input); j += v {
			addOne(input[j:j+v], b)
		}
	}
}

// repeatTo repeats b up to the next multiple of v bytes.
func repeatTo(b []byte, v int) []byte {
	out := make([]byte, (len(b)+v-1)/v*v)
	for i := range out {
		out[i] = b[i%len(b)]
	}
	return out
}

// addOne sets x to x + b + 1, modulo its size (appendix B.2, step 6.C).
func addOne(x, b []byte) {
	carry := 1
	for i := len(x) - 1; i >= 0; i-- {
		carry += int(x[i]) + int(b[i])
		x[i] = byte(carry)
		carry >>= 8
	}
}
