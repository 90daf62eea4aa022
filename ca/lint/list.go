package lint

import (
	"bytes"
	"iter"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// List is a TBSCertList in parts, as a CRL of a million entries is kept.
type List struct {
	Head   []byte   // its fields up to nextUpdate
	Chunks [][]byte // the entries; none lies in two chunks
	Tail   []byte   // its extensions, with their tag
}

// splitList takes a TBSCertList apart, if message is one.
func splitList(message []byte) (l List, ok bool) {
	var fields, entries cryptobyte.String
	input := cryptobyte.String(message)
	if !input.ReadASN1(&fields, cbasn1.SEQUENCE) || !input.Empty() {
		return l, false
	}
	whole := fields
	if !fields.SkipASN1(cbasn1.INTEGER) || !fields.SkipASN1(cbasn1.SEQUENCE) ||
		!fields.SkipASN1(cbasn1.SEQUENCE) || !skipTime(&fields) {
		return l, false
	}
	skipTime(&fields)
	l.Head = whole[:len(whole)-len(fields)]
	if fields.PeekASN1Tag(cbasn1.SEQUENCE) && fields.ReadASN1(&entries, cbasn1.SEQUENCE) {
		l.Chunks = [][]byte{entries}
	}
	l.Tail = fields
	return l, true
}

func skipTime(s *cryptobyte.String) bool {
	return (s.PeekASN1Tag(cbasn1.UTCTime) || s.PeekASN1Tag(cbasn1.GeneralizedTime)) && s.SkipASN1(cbasn1.Tag((*s)[0]))
}

// checkList compares l with the profile of a CRL, then asks zlint about a short copy.
// Of the entries it takes a sample: a long list is not read again each time.
func (s *Signer) checkList(l List) *Refusal {
	if r := s.may(CRL); r != nil {
		return r
	}
	if r := s.checkHead(l.Head); r != nil {
		return r
	}
	isDelta, r := s.checkTail(l.Tail)
	if r != nil {
		return r
	}
	sample := sampleOf(l.Chunks)
	for _, entry := range sample {
		if r := checkEntry(entry, isDelta); r != nil {
			return r
		}
	}
	return s.zlintList(l, sample)
}

func (s *Signer) checkHead(fields cryptobyte.String) *Refusal {
	var version, algorithm, issuer cryptobyte.String
	if !fields.ReadASN1(&version, cbasn1.INTEGER) || !fields.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!fields.ReadASN1Element(&issuer, cbasn1.SEQUENCE) {
		return broken("structure", "its fields are not those of a CRL")
	}
	switch {
	case !bytes.Equal(version, []byte{1}):
		return broken("version", "it is not version 2")
	case string(algorithm) != s.scheme.algorithm:
		return broken("signature_algorithm", "it is not the one of the issuer's key")
	case s.rules.Issuer == nil || !bytes.Equal(issuer, s.rules.Issuer.RawSubject):
		return broken("issuer", "it is not the name of the CA that signs")
	}
	this, ok := readTime(&fields)
	next, ok2 := readTime(&fields)
	switch {
	case !ok || !ok2 || !fields.Empty():
		return broken("time_encoding", "thisUpdate or nextUpdate is not as RFC 5280, section 5.1.2, has it")
	case !next.After(this):
		return broken("validity_positive", "nextUpdate is not after thisUpdate")
	case next.Sub(this) > s.longestList():
		return broken("validity_length", "it is valid for longer than the policy allows")
	}
	return nil
}

func (s *Signer) longestList() time.Duration {
	if s.may(IssuingCA) == nil {
		return longestRootCRL
	}
	return longestCRL
}

// checkTail compares the extensions of a CRL with those that ours have.
func (s *Signer) checkTail(tail cryptobyte.String) (isDelta bool, r *Refusal) {
	var explicit, all cryptobyte.String
	if !tail.ReadASN1(&explicit, cbasn1.Tag(0).ContextSpecific().Constructed()) || !tail.Empty() ||
		!explicit.ReadASN1(&all, cbasn1.SEQUENCE) || !explicit.Empty() {
		return false, broken("structure", "it has no extensions, or something after them")
	}
	var seen [64]bool
	for !all.Empty() {
		id, critical, value, ok := readListExtension(&all)
		switch {
		case !ok || id >= len(seen):
			return isDelta, broken("extension_unexpected", "it has an extension that no CRL of ours has")
		case seen[id]:
			return isDelta, broken("extension_duplicate", "it has an extension twice")
		case critical != (id == 27 || id == 28):
			return isDelta, broken("extension_criticality", "the criticality of an extension is wrong")
		}
		seen[id] = true
		if r := s.checkListExtension(id, value); r != nil {
			return isDelta, r
		}
	}
	if !seen[35] || !seen[20] {
		return isDelta, broken("extension_missing", "it lacks its number, or the identifier of the key that signs it")
	}
	return seen[27], nil
}

// readListExtension reads an extension of id-ce, and returns the last byte of its id.
func readListExtension(all *cryptobyte.String) (id int, critical bool, value cryptobyte.String, ok bool) {
	var extension, oid, flag cryptobyte.String
	ok = all.ReadASN1(&extension, cbasn1.SEQUENCE) && extension.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) &&
		extension.ReadOptionalASN1(&flag, &critical, cbasn1.BOOLEAN) &&
		extension.ReadASN1(&value, cbasn1.OCTET_STRING) && extension.Empty() &&
		len(oid) == 3 && oid[0] == 0x55 && oid[1] == 0x1d && (!critical || bytes.Equal(flag, []byte{0xff}))
	if !ok {
		return 0, false, nil, false
	}
	return int(oid[2]), critical, value, true
}

func (s *Signer) checkListExtension(id int, value cryptobyte.String) *Refusal {
	// The addresses of an issuer's shards and delta begin as that of its full CRL.
	start := strings.TrimSuffix(s.rules.CRL, ".crl") + "-"
	switch id {
	case 35:
		if !bytes.Equal(value, s.encoded.authorityKeyID) {
			return broken("authority_key_identifier", "it is not that of the CA that signs")
		}
	case 20, 27:
		var number cryptobyte.String
		if !value.ReadASN1(&number, cbasn1.INTEGER) || !value.Empty() || len(number) == 0 || len(number) > maxSerial ||
			number[0]&0x80 != 0 || len(number) == 1 && number[0] == 0 {
			return broken("crl_number", "a CRL's number is not positive, or longer than 20 bytes")
		}
	case 28:
		if address, ok := readIssuingPoint(value); !ok || !strings.HasPrefix(address, start) {
			return broken("issuing_distribution_point", "it is not one of the issuer's, for certificates of users alone")
		}
	case 46:
		if !isPoint(value, start+"delta.crl") {
			return broken("freshest_crl", "it is not the address of the issuer's delta CRL")
		}
	default:
		return broken("extension_unexpected", "it has an extension that no CRL of ours has")
	}
	return nil
}

// readIssuingPoint reads the address of an IssuingDistributionPoint that is for
// certificates of users alone (RFC 5280, section 5.2.5).
func readIssuingPoint(value cryptobyte.String) (string, bool) {
	var point, name, full, address, users cryptobyte.String
	explicit := cbasn1.Tag(0).ContextSpecific().Constructed()
	ok := value.ReadASN1(&point, cbasn1.SEQUENCE) && value.Empty() && point.ReadASN1(&name, explicit) &&
		point.ReadASN1(&users, cbasn1.Tag(1).ContextSpecific()) && point.Empty() && bytes.Equal(users, []byte{0xff}) &&
		name.ReadASN1(&full, explicit) && name.Empty() && full.ReadASN1(&address, cbasn1.Tag(6).ContextSpecific()) && full.Empty()
	return string(address), ok
}

// sampleSize is how many entries are looked at, at each end of a list.
const sampleSize = 64

// sampleOf returns the first entries of a list, and those of its last chunk.
func sampleOf(chunks [][]byte) (sample [][]byte) {
	if len(chunks) == 0 {
		return nil
	}
	for entry := range entriesOf(chunks[0]) {
		if sample = append(sample, entry); len(sample) == sampleSize {
			break
		}
	}
	if len(chunks) == 1 {
		return sample
	}
	var last [][]byte
	for entry := range entriesOf(chunks[len(chunks)-1]) {
		last = append(last, entry)
	}
	return append(sample, last[max(0, len(last)-sampleSize):]...)
}

// entriesOf yields the DER elements of a chunk; what is no element comes last.
func entriesOf(chunk cryptobyte.String) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for !chunk.Empty() {
			var entry cryptobyte.String
			if !chunk.ReadASN1Element(&entry, cbasn1.SEQUENCE) {
				yield(chunk)
				return
			}
			if !yield(entry) {
				return
			}
		}
	}
}

// checkEntry looks at an entry of revokedCertificates: a number, a time, and at most a
// reason (RFC 5280, section 5.3.1).
func checkEntry(element cryptobyte.String, isDelta bool) *Refusal {
	var entry, serial, all, reason cryptobyte.String
	if !element.ReadASN1(&entry, cbasn1.SEQUENCE) || !element.Empty() || !entry.ReadASN1(&serial, cbasn1.INTEGER) {
		return broken("crl_entry", "an entry is not one of RFC 5280, section 5.1")
	}
	if r := checkSerial(serial); r != nil && r.Lint != "profile_serial_entropy" { // a foreign one may be short
		return r
	}
	if _, ok := readTime(&entry); !ok {
		return broken("crl_entry", "an entry's time is not as RFC 5280, section 5.1.2.6, has it")
	}
	if entry.Empty() {
		return nil
	}
	if !entry.ReadASN1(&all, cbasn1.SEQUENCE) || !entry.Empty() {
		return broken("crl_entry", "an entry is not one of RFC 5280, section 5.1")
	}
	id, critical, value, ok := readListExtension(&all)
	if !ok || !all.Empty() || id != 21 || critical || !value.ReadASN1(&reason, cbasn1.ENUM) || !value.Empty() || len(reason) != 1 {
		return broken("crl_entry", "an entry has an extension that is not its reason")
	}
	switch code := reason[0]; {
	case code == 0, code == 7, code > 10, code == 8 && !isDelta:
		return broken("crl_reason", "an entry has a reason that it must not have")
	}
	return nil
}
