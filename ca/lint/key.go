package lint

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// curves are the keys that have one encoding each: how a SubjectPublicKeyInfo begins,
// and how many bytes of key follow.
var curves = []struct {
	head string
	rest int
}{
	{"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04", 64}, // P-256
	{"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04", 96},             // P-384
	{"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 32},                                                             // Ed25519
}

// checkKey returns the key of a SubjectPublicKeyInfo, whose digest identifies it, if
// it is of an algorithm and size that we certify. That it is a good one was looked at
// when it was taken.
func checkKey(spki cryptobyte.String) (bits []byte, r *Refusal) {
	for _, c := range curves {
		if len(spki) == len(c.head)+c.rest && string(spki[:len(c.head)]) == c.head {
			bits = spki[len(c.head):]
			if c.rest != 32 { // with the byte that says that the point is not compressed
				bits = spki[len(c.head)-1:]
			}
			return bits, nil
		}
	}
	var info, algorithm, value cryptobyte.String
	const rsaEncryption = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
	if !spki.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || string(algorithm) != rsaEncryption ||
		!info.ReadASN1(&value, cbasn1.BIT_STRING) || !info.Empty() || len(value) == 0 || value[0] != 0 {
		return nil, broken("public_key", "it is none of P-256, P-384, Ed25519 and RSA")
	}
	bits = value[1:]
	var numbers, modulus, exponent cryptobyte.String
	input := cryptobyte.String(bits)
	if !input.ReadASN1(&numbers, cbasn1.SEQUENCE) || !input.Empty() ||
		!numbers.ReadASN1(&modulus, cbasn1.INTEGER) || !numbers.ReadASN1(&exponent, cbasn1.INTEGER) || !numbers.Empty() {
		return nil, broken("public_key", "its RSA numbers cannot be read")
	}
	switch size := 8 * (len(modulus) - 1); {
	case size != 2048 && size != 3072 && size != 4096, modulus[0] != 0, modulus[1]&0x80 == 0, modulus[size/8]&1 == 0:
		return nil, broken("public_key", "its RSA modulus does not have 2048, 3072 or 4096 bits")
	case exponent[0]&0x80 != 0, exponent[len(exponent)-1]&1 == 0, len(exponent) < 3, len(exponent) == 3 && exponent[0] == 0:
		return nil, broken("public_key", "its RSA exponent is not odd, or too small")
	}
	return bits, nil
}
