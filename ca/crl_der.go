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
		return nil, fmt.Errorf("serial number %q is empty or longer than %d bytes", string(s), maxSerialOctets)
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

// removeFromCRL is the reason of an entry of a delta CRL whose certificate is not
// revoked any more (RFC 5280, section 5.3.1).
const removeFromCRL = 8

// appendEntry appends r as an entry of revokedCertificates. Its reason is left
// out if it is unspecified (RFC 5280, section 5.3.1), or if dropReason is true.
func appendEntry(b []byte, r issuance.Revocation, dropReason bool) ([]byte, error) {
	reason := r.Reason.CRLReason()
	switch {
	case dropReason:
		reason = 0
	case r.Status == issuance.Held:
		reason = issuance.CertificateHold.CRLReason()
	}
	return appendReason(b, r, reason)
}

// appendReason appends an entry with r's serial number and time, and reason if it is not 0.
func appendReason(b []byte, r issuance.Revocation, reason int) ([]byte, error) {
	start := len(b)
	b, err := appendSerial(append(b, byte(asn1.SEQUENCE), 0, byte(asn1.INTEGER), 0), r.Serial)
	if err != nil {
		return nil, err
	}
	b[start+3] = byte(len(b) - start - 4)
	b = appendTime(b, r.At)
	if reason != 0 {
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

// extensions returns the extensions of d: whose key signs it, its number, of a
// delta CRL its base, of a shard its distribution point, and of a full CRL where
// its delta is (RFC 5280, sections 5.2.1 and 5.2.3 to 5.2.6).
func (d crlDraft) extensions() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addExtension(b, []byte{0x55, 0x1d, 0x23}, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(d.issuer.Certificate.SubjectKeyId) })
				})
			})
			addExtension(b, []byte{0x55, 0x1d, 0x14}, func(b *cryptobyte.Builder) { b.AddASN1Uint64(d.number) })
			if d.base != 0 {
				addCritical(b, []byte{0x55, 0x1d, 0x1b}, func(b *cryptobyte.Builder) { b.AddASN1Uint64(d.base) })
			}
			if d.point != "" {
				addCritical(b, []byte{0x55, 0x1d, 0x1c}, func(b *cryptobyte.Builder) { addIssuingPoint(b, d.point) })
			}
			if d.freshest != "" {
				addExtension(b, []byte{0x55, 0x1d, 0x2e}, func(b *cryptobyte.Builder) { b.AddBytes(distributionPoint(d.freshest).Value) })
			}
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

// addCritical adds an extension that is critical.
func addCritical(b *cryptobyte.Builder, id []byte, value cryptobyte.BuilderContinuation) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(id) })
		b.AddASN1Boolean(true)
		b.AddASN1(asn1.OCTET_STRING, value)
	})
}

// addIssuingPoint adds an IssuingDistributionPoint: the address that certificates
// name, and that there are no CAs among them.
func addIssuingPoint(b *cryptobyte.Builder, uri string) {
	explicit := asn1.Tag(0).ContextSpecific().Constructed()
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit, func(b *cryptobyte.Builder) {
			b.AddASN1(explicit, generalName{tagURI, []byte(uri)}.add)
		})
		b.AddASN1(asn1.Tag(1).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddUint8(0xff) }) // onlyContainsUserCerts
	})
}
