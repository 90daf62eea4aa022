package lint

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// list returns a TBSCertList that passes, in parts.
func (k *kit) list(t testing.TB, change func(*x509.RevocationList)) List {
	t.Helper()
	template := &x509.RevocationList{
		Number: big.NewInt(7), ThisUpdate: start(), NextUpdate: start().Add(24 * time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{
			{SerialNumber: big.NewInt(1), RevocationTime: start().Add(-time.Hour), ReasonCode: 1},
			{SerialNumber: big.NewInt(2), RevocationTime: start().Add(-time.Hour)},
		},
	}
	if change != nil {
		change(template)
	}
	issuer := *k.issuer
	issuer.KeyUsage = x509.KeyUsageCRLSign
	der, err := x509.CreateRevocationList(rand.Reader, template, &issuer, k.key.Signer)
	ok(t, err)
	parsed, err := x509.ParseRevocationList(der)
	ok(t, err)
	l, is := splitList(parsed.RawTBSRevocationList)
	if !is {
		t.Fatal("a CRL is not taken for one")
	}
	return l
}

// whole puts the parts of l together.
func (l List) whole(t testing.TB) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(l.Head)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, c := range l.Chunks {
				b.AddBytes(c)
			}
		})
		b.AddBytes(l.Tail)
	})
	der, err := b.Bytes()
	ok(t, err)
	return der
}

// TestAListThatDoesNotPassIsNotSigned spoils CRLs, in one piece and in parts.
func TestAListThatDoesNotPassIsNotSigned(t *testing.T) {
	k := newKit(t)
	extension := func(n int, critical bool, value ...byte) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, n}, Critical: critical, Value: value})
		}
	}
	tail := func(from, to byte) func(*List) {
		return func(l *List) {
			for i := range l.Tail[:len(l.Tail)-4] {
				if string(l.Tail[i:i+4]) == string([]byte{6, 3, 0x55, 0x1d}) && l.Tail[i+4] == from {
					l.Tail[i+4] = to
				}
			}
		}
	}
	for what, c := range map[string]struct {
		lint     string
		template func(*x509.RevocationList)
		parts    func(*List)
	}{
		"":                    {},
		"no entries":          {template: func(l *x509.RevocationList) { l.RevokedCertificateEntries = nil }},
		"version 1":           {lint: "profile_version", parts: func(l *List) { l.Head[2] = 0 }},
		"another's algorithm": {lint: "profile_signature_algorithm", parts: func(l *List) { l.Head[14] = 3 }},
		"another issuer":      {lint: "profile_issuer", parts: func(l *List) { l.Head[len(l.Head)-31] ^= 1 }},
		"for too long": {lint: "profile_validity_length", template: func(l *x509.RevocationList) {
			l.NextUpdate = l.NextUpdate.AddDate(0, 2, 0)
		}},
		"over at once":          {lint: "profile_validity_positive", parts: func(l *List) { copy(l.Head[len(l.Head)-15:], l.Head[len(l.Head)-30:len(l.Head)-15]) }},
		"no nextUpdate":         {lint: "profile_time_encoding", parts: func(l *List) { l.Head = l.Head[:len(l.Head)-15] }},
		"negative number":       {lint: "profile_crl_number", parts: func(l *List) { l.Tail[len(l.Tail)-1] = 0xff }},
		"number 0":              {lint: "profile_crl_number", parts: func(l *List) { l.Tail[len(l.Tail)-1] = 0 }},
		"no number":             {lint: "profile_extension_unexpected", parts: tail(20, 99)},
		"a number as a delta's": {lint: "profile_extension_criticality", parts: tail(20, 27)},
		"no key identifier": {lint: "profile_extension_missing", parts: func(l *List) {
			l.Tail = []byte{0xa0, 14, 0x30, 12, 0x30, 10, 6, 3, 0x55, 0x1d, 20, 4, 3, 2, 1, 7}
		}},
		"its number twice": {lint: "profile_extension_duplicate", parts: func(l *List) {
			number := []byte{0x30, 10, 6, 3, 0x55, 0x1d, 20, 4, 3, 2, 1, 7}
			l.Tail = append([]byte{0xa0, 26, 0x30, 24}, append(number, number...)...)
		}},
		"a critical unknown one":  {lint: "profile_extension_criticality", template: extension(60, true, 5, 0)},
		"an unknown one":          {lint: "profile_extension_unexpected", template: extension(60, false, 5, 0)},
		"another's shard":         {lint: "profile_issuing_distribution_point", template: extension(28, true, 0x30, 3, 0x81, 1, 0xff)},
		"another's delta":         {lint: "profile_freshest_crl", template: extension(46, false, 0x30, 0)},
		"an unused reason":        {lint: "profile_crl_reason", template: func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = 7 }},
		"removed, from no delta":  {lint: "profile_crl_reason", template: func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = 8 }},
		"a negative serial":       {lint: "profile_serial_positive", parts: func(l *List) { l.Chunks[0][4] = 0x81 }},
		"an entry that is broken": {lint: "profile_crl_entry", parts: func(l *List) { l.Chunks[0] = l.Chunks[0][1:] }},
		"no extensions":           {lint: "profile_structure", parts: func(l *List) { l.Tail = nil }},
	} {
		t.Run(what, func(t *testing.T) {
			l := k.list(t, c.template)
			if c.parts != nil {
				c.parts(&l)
			}
			before := k.key.signed
			_, inParts := k.guard.SignList(rand.Reader, l, make([]byte, 32), crypto.SHA256)
			errs := []error{inParts}
			if len(l.Chunks) > 0 && l.Chunks[0][0] == 0x30 {
				_, whole := k.guard.SignMessage(rand.Reader, l.whole(t), crypto.SHA256)
				errs = append(errs, whole)
			}
			for _, err := range errs {
				r, refused := errors.AsType[*Refusal](err)
				if refused != (c.lint != "") || refused && (r.Lint != c.lint || r.Kind != CRL) {
					t.Errorf("got %v, want a refusal by %q", err, c.lint)
				}
			}
			if signed := k.key.signed - before; c.lint != "" && signed != 0 || c.lint == "" && signed != len(errs) {
				t.Errorf("%d signatures", signed)
			}
		})
	}
}

// BenchmarkCheckList is what each CRL costs in addition, however long it is.
func BenchmarkCheckList(b *testing.B) {
	k := newKit(b)
	l := k.list(b, func(l *x509.RevocationList) {
		for i := range 100_000 {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
				SerialNumber: big.NewInt(int64(i) + 3), RevocationTime: start().Add(-time.Hour), ReasonCode: i % 2,
			})
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		if r := k.guard.checkList(l); r != nil {
			b.Fatal(r)
		}
	}
}
