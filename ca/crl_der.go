package ca

import (
	"encoding/hex"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-ca/postern/issuance"
)

// maxSerialOctets is the most that a serial number may have (RFC 5280, section 4.1.2.2).
const maxSerialOctets = 20

// appendSerial appends the contents of s as a DER integer.
func appendSerial(b []byte, s issuance.Serial) ([]byte, error) {
	var digits [2 * maxSerialOctets]byte
	for len(s) > 0 && s[0] == '0' {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > len(digits) {
		return nil, fmt.Errorf("serial number %q has no value or more than %d octets", string(s), maxSerialOctets)
	}
	text := digits[:0]
	if len(s)%2 == 1 {
		text = append(text, '0')
	}
	text = append(text, s...)
	var octets [maxSerialOctets]byte
	n, err := hex.Decode(octets[:], text)
	if err != nil {
		return nil, fmt.Errorf("serial number %q: %w", string(s), err)
	}
	if octets[0] >= 0x80 {
		b = append(b, 0)
	}
	return append(b, octets[:n]...), nil
}

// appendTime appends t as RFC 5280, section 5.1.2.4, asks: UTCTime through 2049,
// GeneralizedTime from 2050 on.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	if year := t.Year(); year >= 1950 && year < 2050 {
		return t.AppendFormat(append(b, byte(asn1.UTCTime), 13), "060102150405Z")
	}
	return t.AppendFormat(append(b, byte(asn1.GeneralizedTime), 15), "20060102150405Z")
}

// appendEntry appends r as an entry of revokedCertificates. Its reason is left
// out if it is unspecified (RFC 5280, section 5.3.1), or if dropReason is true.
func appendEntry(b []byte, r issuance.Revocation, dropReason bool) ([]byte, error) {
	start := len(b)
	b, err := appendSerial(append(b, byte(asn1.SEQUENCE), 0, byte(asn1.INTEGER), 0), r.Serial)
	if err != nil {
		return nil, err
	}
	b[start+3] = byte(len(b) - start - 4)
	b = appendTime(b, r.At)
	reason := r.Reason.CRLReason()
	if r.Status == issuance.Held {
		reason = issuance.CertificateHold.CRLReason()
	}
	if reason != 0 && !dropReason {
		// Extensions { Extension { reasonCode 2.5.29.21, OCTET STRING { ENUMERATED } } }
		b = append(b, 0x30, 12, 0x30, 10, 0x06, 3, 0x55, 0x1d, 0x15, 0x04, 3, 0x0a, 1, byte(reason))
	}
	b[start+1] = byte(len(b) - start - 2)
	return b, nil
}

// appendHeader appends a tag and the length of what follows.
func appendHeader(b []byte, tag asn1.Tag, n int64) []byte {
	b = append(b, byte(tag))
	if n < 0x80 {
		return append(b, byte(n))
	}
	octets := 1
	for n>>(8*octets) > 0 {
		octets++
	}
	b = append(b, 0x80|byte(octets))
	for i := octets - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

// crlExtensions returns the extensions of a CRL: whose key signed it, and its
// number (RFC 5280, sections 5.2.1 and 5.2.3).
func crlExtensions(keyID []byte, number uint64) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addExtension(b, []byte{0x55, 0x1d, 0x23}, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(keyID) })
				})
			})
			addExtension(b, []byte{0x55, 0x1d, 0x14}, func(b *cryptobyte.Builder) { b.AddASN1Uint64(number) })
		})
	})
	return b.Bytes()
}

// addExtension adds an extension that is not critical; id is its object identifier's contents.
func addExtension(b *cryptobyte.Builder, id []byte, value cryptobyte.BuilderContinuation) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(id) })
		b.AddASN1(asn1.OCTET_STRING, value)
	})
}
