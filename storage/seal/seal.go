// Package seal encrypts secrets before they reach a database, with keys that are
// kept outside of it. It does not know where the sealed bytes are kept.
//
// A sealed secret is an envelope:
//
//	version (1 byte) | key id (8 bytes) | salt (32 bytes) | ciphertext and tag
//
// Each envelope has an AES-256-GCM key and nonce of its own, derived by HKDF
// (RFC 5869) with SHA-256 from a key of the ring and the random salt. Keys are
// never reused, so there is no limit to how many secrets one ring may seal. What
// the secret belongs to is authenticated with it (and with version and key id):
// an envelope that was changed, or moved to another record, does not open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/postern-ca/postern/issuance"
)

const (
	version   = 1
	saltSize  = 32
	nonceSize = 12
	header    = 1 + len(keyID{}) + saltSize
)

// ErrOpen means that an envelope cannot be opened: it was changed, it belongs to
// another record, or the ring does not have its key.
var ErrOpen = issuance.ErrSealed

// Seal returns secret in an envelope that opens only for ref, sealed with the
// first key of the ring.
func (r *Ring) Seal(ref issuance.SecretRef, secret issuance.Secret) ([]byte, error) {
	k := r.keys[0]
	out := make([]byte, header, header+len(secret.Reveal())+sha256.Size)
	out[0] = version
	copy(out[1:], k.id[:])
	salt := out[1+len(k.id) : header]
	rand.Read(salt)
	aead, nonce, err := k.derive(salt)
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, nonce, secret.Reveal(), bind(out[:header], ref)), nil
}

// Open returns the secret of an envelope that Seal made for ref with any key of the
// ring. Every error is [ErrOpen] or wraps it.
func (r *Ring) Open(ref issuance.SecretRef, sealed []byte) (issuance.Secret, error) {
	if len(sealed) < header || sealed[0] != version {
		return issuance.Secret{}, fmt.Errorf("%w: it is not an envelope of version %d", ErrOpen, version)
	}
	k, ok := r.find(keyID(sealed[1:]))
	if !ok {
		return issuance.Secret{}, fmt.Errorf("%w: its key is not in the key file", ErrOpen)
	}
	aead, nonce, err := k.derive(sealed[1+len(k.id) : header])
	if err != nil {
		return issuance.Secret{}, err
	}
	plain, err := aead.Open(nil, nonce, sealed[header:], bind(sealed[:header], ref))
	if err != nil {
		return issuance.Secret{}, fmt.Errorf("%w: it has been changed, or belongs to another record", ErrOpen)
	}
	return issuance.NewSecret(plain), nil
}

// Fresh reports whether sealed was made with the first key of the ring; if not, it
// should be sealed again.
func (r *Ring) Fresh(sealed []byte) bool {
	return len(sealed) >= header && keyID(sealed[1:]) == r.keys[0].id
}

// Several reports whether the ring has more keys than the first, so that there may be
// secrets to be sealed again.
func (r *Ring) Several() bool { return len(r.keys) > 1 }

// derive returns the cipher and nonce of the one envelope that has salt.
func (k key) derive(salt []byte) (cipher.AEAD, []byte, error) {
	material, err := hkdf.Key(sha256.New, k.secret, salt, "postern seal 1", 32+nonceSize)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the key of a sealed secret: %w", err)
	}
	block, err := aes.NewCipher(material[:32])
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the key of a sealed secret: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return aead, material[32:], err
}

// bind returns what is authenticated with a secret: the envelope's own header,
// and the record, each part with its length so that no two records look alike.
func bind(head []byte, ref issuance.SecretRef) []byte {
	out := append([]byte(nil), head...)
	for _, part := range []string{string(ref.Kind), ref.Owner} {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}
