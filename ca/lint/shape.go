package lint

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// shape appends to b what stays of DER without its contents: every tag, what object
// identifiers and booleans say, and how long keys are. Two certificates of one CA with
// the same shape differ in what their profile check looks at: numbers, times, names and
// keys. So zlint, which is asked about the shape, need not be asked again.
func shape(b []byte, der cryptobyte.String) []byte {
	for !der.Empty() {
		var content cryptobyte.String
		var tag cbasn1.Tag
		if !der.ReadAnyASN1(&content, &tag) {
			return append(append(b, 0xff), der...) // no DER: only the same bytes have this shape
		}
		b = append(b, byte(tag))
		switch {
		case tag&0x20 != 0: // constructed
			b = append(shape(b, content), 0)
		case tag == cbasn1.OBJECT_IDENTIFIER, tag == cbasn1.BOOLEAN:
			b = append(append(b, byte(len(content))), content...)
		case tag == cbasn1.BIT_STRING:
			b = append(b, byte(len(content)>>8), byte(len(content)))
		case tag == cbasn1.OCTET_STRING && len(content) > 1 && content[0] == byte(cbasn1.SEQUENCE):
			b = append(shape(b, content), 0) // an extension's value
		}
	}
	return b
}

// known reports whether zlint has found nothing in this shape.
func (s *Signer) known(shape []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.passed[string(shape)]
	return ok
}

func (s *Signer) learn(shape []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.passed) >= maxShapes {
		clear(s.passed)
	}
	s.passed[string(shape)] = struct{}{}
}
