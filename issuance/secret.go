package issuance

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Secret is something that opens something: a token, a code, a password, a key.
// It prints as [redacted] in every format, in JSON and in logs; only Reveal
// gives it away, so that every place that does can be found by its name.
type Secret struct{ bytes []byte }

// NewSecret returns a Secret of b, which the caller must not change afterwards.
func NewSecret(b []byte) Secret { return Secret{b} }

const redacted = "[redacted]"

// Reveal returns the secret itself. The caller must not log, store in the clear
// or put into an error what it returns.
func (s Secret) Reveal() []byte { return s.bytes }

// Empty reports whether there is nothing to keep secret.
func (s Secret) Empty() bool { return len(s.bytes) == 0 }

// Equal compares in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare(s.bytes, other.bytes) == 1
}

// String, Format, MarshalText, MarshalJSON and LogValue all print [redacted].
func (s Secret) String() string { return redacted }

func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// SecretKind says what a stored secret is.
type SecretKind string

// The secrets that a store keeps, sealed, until they have served.
const (
	LinkSecret     SecretKind = "link"     // token of the e-mailed URL, until the mail was accepted
	SeedSecret     SecretKind = "seed"     // HOTP seed of an order's codes
	PasswordSecret SecretKind = "password" // permanent password of a PKCS#12 file
	PKCS12Secret   SecretKind = "pkcs12"   // the PKCS#12 file, until the claim window ends
)

// SecretRef names a stored secret. The store binds the sealed bytes to it, so
// that a sealed secret moved to another record does not open.
type SecretRef struct {
	Kind  SecretKind
	Order OrderID
}
