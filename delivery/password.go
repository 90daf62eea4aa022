package delivery

import (
	"crypto/rand"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// passwordAlphabet has 32 symbols, five bits each: lower-case letters, which a
// phone types without a shift key, and digits. Of 0 and o, and of 1 and l, there
// is neither; an i has then nothing left that looks like it.
const passwordAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

const (
	passwordGroups      = 6
	passwordGroupLength = 4
)

// NewPassword returns a new password for a PKCS#12 file: 24 random symbols of 32,
// which are 120 bits, in six groups of four joined by hyphens, for example
// "h7kd-2mqx-9e4r-vt3a-bzn8-6wyc".
//
// The hyphens are part of the password: people type exactly what the SMS shows, and
// need no rule for it. All of it is in the GSM 7-bit default alphabet (3GPP TS
// 23.038, section 6.2.1) and in ASCII, one septet and one byte a character, 29 in
// all.
func NewPassword() issuance.Secret {
	random := make([]byte, passwordGroups*passwordGroupLength)
	rand.Read(random) // never fails: it ends the program instead
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%passwordGroupLength == 0 {
			b.WriteByte('-')
		}
		// 32 divides 256: the low five bits are as evenly spread as the byte.
		b.WriteByte(passwordAlphabet[r%byte(len(passwordAlphabet))])
	}
	return issuance.NewSecret([]byte(b.String()))
}
