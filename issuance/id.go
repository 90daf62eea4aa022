package issuance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// OrgID names an organisation: its short name, as in "acme".
type OrgID string

// ServiceID names a service of an organisation: "acme.payments", the
// organisation's short name and the service's identifier.
type ServiceID string

// Identifier returns the part of s that distinguishes the organisation's services.
func (s ServiceID) Identifier() string {
	_, identifier, _ := strings.Cut(string(s), ".")
	return identifier
}

// ContactID, OrderID and NoticeID come from NewID: they sort by the time of their
// creation, and cannot be guessed.
type (
	ContactID string
	OrderID   string
	NoticeID  string
)

// idAlphabet is base32 in the order of ASCII, so that ids sort as their bytes do.
const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// NewID returns prefix followed by 26 symbols: 48 bits of time in milliseconds,
// then 80 random bits.
func NewID(prefix string, now time.Time) string {
	var b [16]byte
	rand.Read(b[:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	return prefix + base32.NewEncoding(idAlphabet).WithPadding(base32.NoPadding).EncodeToString(b[:])
}

// Serial is a certificate's serial number as 34 lower-case hexadecimal digits: 17
// bytes with more than 128 random bits (RFC 5280, section 4.1.2.2, requires a
// positive number of at most 20 bytes).
type Serial string

// NewSerial returns a random serial number. Its first byte is between 0x10 and
// 0x7f, so that it is positive and all programs print it with the same length.
func NewSerial() Serial {
	var b [17]byte
	for {
		rand.Read(b[:])
		if b[0] >= 0x10 && b[0] < 0x80 {
			return Serial(hex.EncodeToString(b[:]))
		}
	}
}

// SerialOf returns the Serial of a certificate's serial number.
func SerialOf(n *big.Int) Serial {
	var b [17]byte
	if n.Sign() < 0 || n.BitLen() > 8*len(b) { // none of ours
		return Serial(fmt.Sprintf("%034x", n))
	}
	var digits [2 * len(b)]byte
	hex.Encode(digits[:], n.FillBytes(b[:]))
	return Serial(digits[:])
}

// Int returns the number itself; zero if s is not hexadecimal.
func (s Serial) Int() *big.Int {
	n, ok := new(big.Int).SetString(string(s), 16)
	if !ok {
		return new(big.Int)
	}
	return n
}

// Digest is the SHA-256 of a secret that somebody else keeps, in hexadecimal. The
// store keeps only the digest of a link, a session or an API token.
type Digest string

// DigestOf returns the digest of secret; the empty digest for an empty secret.
func DigestOf(secret Secret) Digest {
	if secret.Empty() {
		return ""
	}
	sum := sha256.Sum256(secret.Reveal())
	return Digest(hex.EncodeToString(sum[:]))
}

// NewToken returns 256 random bits in the URL-safe alphabet of base64 (43 symbols).
func NewToken() Secret {
	var b [32]byte
	rand.Read(b[:])
	return NewSecret([]byte(base64.RawURLEncoding.EncodeToString(b[:])))
}
