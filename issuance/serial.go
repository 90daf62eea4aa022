package issuance

import (
	"math/big"
	"strings"
)

// SerialHint says how a serial number is written.
const SerialHint = "give all of it, in hexadecimal or decimal, as the list of certificates or openssl prints it"

// ParseSerial reads a serial number in any usual notation: hexadecimal in either
// case, with or without 0x, with colons, blanks or dashes of any kind, and with the
// label that programs print before it (openssl's "serial=7F3A...").
//
// Decimal is read too. It cannot be taken for hexadecimal: the numbers that
// [NewSerial] makes have 34 digits in hexadecimal and 40 or 41 in decimal. So 40
// or 41 digits without a letter, a colon or 0x are decimal if their number is one
// that NewSerial may have made, and all others are hexadecimal.
//
// Its error is an [*Error] of kind [Invalid].
func ParseSerial(s string) (Serial, error) {
	n := serialNumber(Typed(s))
	if n == nil || n.Sign() <= 0 || n.BitLen() > 159 {
		return "", Invalidf("serial", "is not a serial number", SerialHint)
	}
	return SerialOf(n), nil
}

// serialNumber returns the number that s is, nil for none.
func serialNumber(s string) *big.Int {
	digits, marked := strings.CutPrefix(strings.ToLower(unlabelled(s)), "0x")
	if strings.HasPrefix(digits, "-") {
		return nil // a negative number is none
	}
	marked = marked || strings.Contains(digits, ":")
	digits = strings.NewReplacer(":", "", " ", "", "-", "", ".", "").Replace(digits)
	if len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return nil
	}
	if n, ok := new(big.Int).SetString(digits, 10); ok && !marked && ours(n) {
		return n
	}
	n, _ := new(big.Int).SetString(digits, 16)
	return n
}

// unlabelled returns s without what stands before a serial number: "serial=" of
// openssl x509 -serial, "Serial Number:" of -text, keytool and browsers, "Serial
// Number (hex):" of certtool.
func unlabelled(s string) string {
	if len(s) < len("serial") || !strings.EqualFold(s[:len("serial")], "serial") {
		return s
	}
	if i := strings.IndexAny(s, "=:"); i >= 0 {
		s = s[i+1:]
	}
	return strings.TrimSpace(s)
}

// ours reports whether NewSerial may have made n, which 40 or 41 decimal digits
// write.
func ours(n *big.Int) bool {
	first := new(big.Int).Rsh(n, 128)
	return first.IsInt64() && first.Int64() >= 0x10 && first.Int64() < 0x80
}
