package delivery

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/postern-ca/postern/issuance"
)

// seedLength is the length in bytes of a seed: that of SHA-256's result, as
// RFC 4226, section 4 (R6) recommends it for SHA-1.
const seedLength = 32

// NewSeed returns a new random seed for one-time codes, 256 bits in base 32. Each
// order has its own.
func NewSeed() issuance.Secret {
	random := make([]byte, seedLength)
	rand.Read(random) // never fails: it ends the program instead
	return issuance.NewSecret(base32.StdEncoding.AppendEncode(nil, random))
}

// Code returns the one-time code of seed at counter: eight decimal digits by
// HOTP (RFC 4226, section 5.3) over HMAC-SHA-256 (as in RFC 6238, section 1.2).
// The same seed and counter always give the same code. It returns an error if
// seed did not come from [NewSeed]; the error does not contain it.
func Code(seed issuance.Secret, counter uint64) (issuance.Secret, error) {
	if err := checkSeed(seed); err != nil {
		return issuance.Secret{}, err
	}
	code, err := hotp.GenerateCodeCustom(string(seed.Reveal()), counter, hotpOptions())
	if err != nil {
		return issuance.Secret{}, fmt.Errorf("making a code: %w", err)
	}
	return issuance.NewSecret([]byte(code)), nil
}

// CheckCode reports whether code is the code of seed at exactly this counter. It
// compares in constant time. The caller must have counted the attempt durably
// before. Input that is not eight characters is simply a wrong code.
func CheckCode(seed issuance.Secret, counter uint64, code string) (bool, error) {
	if err := checkSeed(seed); err != nil {
		return false, err
	}
	ok, err := hotp.ValidateCustom(code, counter, string(seed.Reveal()), hotpOptions())
	if errors.Is(err, otp.ErrValidateInputInvalidLength) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("checking a code: %w", err)
	}
	return ok, nil
}

func hotpOptions() hotp.ValidateOpts {
	return hotp.ValidateOpts{Digits: otp.DigitsEight, Algorithm: otp.AlgorithmSHA256}
}

// checkSeed refuses a lost or shortened seed: hotp would take the empty one as
// well, and everybody knows its codes.
func checkSeed(seed issuance.Secret) error {
	raw, err := base32.StdEncoding.AppendDecode(nil, seed.Reveal())
	defer clear(raw)
	if err != nil || len(raw) != seedLength {
		return errors.New("the seed of the one-time codes is missing or damaged")
	}
	return nil
}
