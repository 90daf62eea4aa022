package issuance

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Secret is a token, a code, a password or a key. It prints as [redacted] in every
// format, in JSON and in logs. Only Reveal discloses it, so every place that does
// so can be found by that name.
type Secret struct{ bytes []byte }

// NewSecret returns a Secret of b, which the caller must not change afterwards.
func NewSecret(b []byte) Secret { return Secret{b} }

const redacted = "[redacted]"

// Reveal returns the secret itself. The caller must not log the result, store it
// unencrypted or put it into an error.
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
