package lint

import (
	"bytes"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// certificate is a TBSCertificate, taken apart. All but serial and extensions are DER
// elements; nothing is copied.
type certificate struct {
	serial, algorithm, issuer, subject, key cryptobyte.String
	begin, end                              time.Time
	extensions                              cryptobyte.String
}

// readCertificate takes a TBSCertificate apart. What only other versions or nobody
// needs is refused here.
func readCertificate(tbs []byte) (c certificate, r *Refusal) {
	var fields, version, validity, extensions cryptobyte.String
	input := cryptobyte.String(tbs)
	explicit3 := cbasn1.Tag(3).ContextSpecific().Constructed()
	switch {
	case !input.ReadASN1(&fields, cbasn1.SEQUENCE) || !input.Empty():
		return c, broken("structure", "it is not one DER sequence")
	case !fields.ReadASN1(&version, cbasn1.Tag(0).ContextSpecific().Constructed()) || !bytes.Equal(version, []byte{2, 1, 2}):
		return c, broken("version", "it is not version 3")
	case !fields.ReadASN1(&c.serial, cbasn1.INTEGER) || !fields.ReadASN1Element(&c.algorithm, cbasn1.SEQUENCE) ||
		!fields.ReadASN1Element(&c.issuer, cbasn1.SEQUENCE) || !fields.ReadASN1(&validity, cbasn1.SEQUENCE):
		return c, broken("structure", "its fields are not those of a certificate")
	}
	if r := c.readValidity(validity); r != nil {
		return c, r
	}
	switch {
	case !fields.ReadASN1Element(&c.subject, cbasn1.SEQUENCE) || !fields.ReadASN1Element(&c.key, cbasn1.SEQUENCE):
		return c, broken("structure", "its fields are not those of a certificate")
	case fields.PeekASN1Tag(cbasn1.Tag(1).ContextSpecific()) || fields.PeekASN1Tag(cbasn1.Tag(2).ContextSpecific()):
		return c, broken("unique_identifier", "it has a unique identifier")
	case !fields.ReadASN1(&extensions, explicit3) || !fields.Empty() ||
		!extensions.ReadASN1(&c.extensions, cbasn1.SEQUENCE) || !extensions.Empty():
		return c, broken("structure", "it has no extensions, or something after them")
	}
	return c, nil
}

func (c *certificate) readValidity(validity cryptobyte.String) *Refusal {
	var ok bool
	if c.begin, ok = readTime(&validity); !ok {
		return broken("time_encoding", "notBefore is not as RFC 5280, section 4.1.2.5, has it")
	}
	if c.end, ok = readTime(&validity); !ok || !validity.Empty() {
		return broken("time_encoding", "notAfter is not as RFC 5280, section 4.1.2.5, has it")
	}
	return nil
}

// readTime reads a Time: UTCTime through 2049, GeneralizedTime from 2050 on, both to
// the second and in UTC.
func readTime(s *cryptobyte.String) (t time.Time, ok bool) {
	var text cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&text, &tag) {
		return t, false
	}
	year := 0
	switch {
	case tag == cbasn1.UTCTime && len(text) == 13:
		if year = pair(text); year < 50 {
			year += 100
		}
		year, text = year+1900, text[2:]
	case tag == cbasn1.GeneralizedTime && len(text) == 15:
		year, text = 100*pair(text)+pair(text[2:]), text[4:]
	}
	if len(text) != 11 || text[10] != 'Z' || (year >= 2050) != (tag == cbasn1.GeneralizedTime) {
		return t, false
	}
	month, day, hour, minute, second := pair(text), pair(text[2:]), pair(text[4:]), pair(text[6:]), pair(text[8:])
	if month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return t, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t, t.Day() == day
}

// pair reads two digits; it returns a large negative number if they are none.
func pair(b []byte) int {
	tens, ones := int(b[0])-'0', int(b[1])-'0'
	if tens < 0 || tens > 9 || ones < 0 || ones > 9 {
		return -1 << 20
	}
	return 10*tens + ones
}
