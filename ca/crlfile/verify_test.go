package crlfile_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/ca/crlfile"
	"github.com/postern-ca/postern/ca/crlfile/crlfiletest"
)

type list = crlfiletest.List

// chain is a root with two issuing CAs.
type chain struct{ root, old, new *crlfiletest.CA }

func newChain(t *testing.T) chain {
	t.Helper()
	root := crlfiletest.Root(t, "Root")
	return chain{root, root.Issue(t, "Issuing 1", nil), root.Issue(t, "Issuing 2", nil)}
}

func (c chain) anchors(t *testing.T) crlfile.Anchors {
	t.Helper()
	return anchors(t, c.root, c.old, c.new)
}

func anchors(t *testing.T, all ...*crlfiletest.CA) crlfile.Anchors {
	t.Helper()
	a, err := crlfile.ParseAnchors(crlfiletest.PEM(all...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// bundle has a list of each CA with this number.
func (c chain) bundle(t *testing.T, number int64) []byte {
	t.Helper()
	l := list{Number: number, Serials: []int64{1, 2, 3}}
	return slices.Concat(c.new.CRL(t, l), c.old.CRL(t, l), c.root.CRL(t, list{Number: 1}))
}

func (c chain) check(t *testing.T) crlfile.Check {
	t.Helper()
	return crlfile.Check{CAs: c.anchors(t).CAs(), Now: time.Now()}
}

func TestASoundFileIsTaken(t *testing.T) {
	c := newChain(t)
	text := c.bundle(t, 7)
	check := c.check(t)
	b, err := check.Verify(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range b.Lists {
		got = append(got, l.Name()+" "+l.Number.String()+" by "+l.Issuer.Subject.CommonName)
	}
	want := []string{"Issuing 2 7 by Issuing 2", "Issuing 1 7 by Issuing 1", "Root 1 by Root"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if b.Lapses() != b.Lists[2].NextUpdate && b.Lapses() != b.Lists[0].NextUpdate {
		t.Errorf("lapses at %v", b.Lapses())
	}
	check.Previous = b
	for name, next := range map[string][]byte{"the same again": text, "a newer one": c.bundle(t, 8)} {
		if _, err := check.Verify(next); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatIsNotSoundIsRefused has one file for each reason.
func TestWhatIsNotSoundIsRefused(t *testing.T) {
	c := newChain(t)
	foreign := newChain(t) // the same names, other keys
	now := time.Now()
	root, old := c.root.CRL(t, list{}), c.old.CRL(t, list{})
	with := func(l list) []byte { return slices.Concat(c.new.CRL(t, l), old, root) }
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}
	altered := alter(t, c.new.CRL(t, list{Serials: []int64{5}}))
	noSigner := *c.new
	noSigner.Key = c.old.Key
	noSigner.Certificate = clone(c.new.Certificate, c.old.Certificate)
	for name, bad := range map[string]struct {
		text []byte
		code crlfile.Code
	}{
		"empty":                          {nil, crlfile.CodeRubbish},
		"blank":                          {[]byte("\n\n"), crlfile.CodeRubbish},
		"a web page":                     {[]byte("<html>captive portal</html>\n"), crlfile.CodeRubbish},
		"a certificate":                  {crlfiletest.PEM(c.root), crlfile.CodeRubbish},
		"a certificate behind":           {slices.Concat(with(list{}), crlfiletest.PEM(c.root)), crlfile.CodeRubbish},
		"rubbish before":                 {slices.Concat([]byte("x\n"), with(list{})), crlfile.CodeRubbish},
		"rubbish between":                {slices.Concat(c.new.CRL(t, list{}), []byte("x\n"), old, root), crlfile.CodeRubbish},
		"rubbish behind":                 {slices.Concat(with(list{}), []byte("x\n")), crlfile.CodeRubbish},
		"a broken block first":           {slices.Concat([]byte("-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----\n"), with(list{})), crlfile.CodeRubbish},
		"something behind the DER":       {slices.Concat(behind(c.new.CRL(t, list{})), old, root), crlfile.CodeRubbish},
		"no list of the newest CA":       {slices.Concat(old, root), crlfile.CodeMissing},
		"no list of the older CA":        {slices.Concat(c.new.CRL(t, list{}), root), crlfile.CodeMissing},
		"no list of the root":            {slices.Concat(c.new.CRL(t, list{}), old), crlfile.CodeMissing},
		"two lists of one CA":            {slices.Concat(with(list{}), c.new.CRL(t, list{Number: 1})), crlfile.CodeTwice},
		"foreign root, the same names":   {foreign.bundle(t, 9), crlfile.CodeIssuer},
		"one more, of a stranger":        {slices.Concat(with(list{}), crlfiletest.Root(t, "Stranger").CRL(t, list{})), crlfile.CodeIssuer},
		"signed by its sibling":          {slices.Concat(noSigner.CRL(t, list{}), old, root), crlfile.CodeSignature},
		"an altered entry":               {slices.Concat(altered, old, root), crlfile.CodeSignature},
		"not begun":                      {with(list{ThisUpdate: now.Add(6 * time.Minute)}), crlfile.CodeFuture},
		"lapsed":                         {with(list{ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(-time.Second)}), crlfile.CodeLapsed},
		"a critical extension":           {with(list{Extensions: []pkix.Extension{critical}}), crlfile.CodeCritical},
		"a critical extension of entry":  {with(list{Serials: []int64{1}, EntryExtensions: []pkix.Extension{critical}}), crlfile.CodeCritical},
		"the root's list is the altered": {slices.Concat(c.new.CRL(t, list{}), old, alter(t, root)), crlfile.CodeSignature},
	} {
		_, err := c.check(t).Verify(bad.text)
		if got := crlfile.CodeOf(err); got != bad.code {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, bad.code)
		}
	}
	if _, err := c.check(t).Verify(with(list{ThisUpdate: now.Add(4 * time.Minute)})); err != nil {
		t.Errorf("a clock that is 4 minutes ahead: %v", err)
	}
	harmless := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}
	if _, err := c.check(t).Verify(with(list{Extensions: []pkix.Extension{harmless}})); err != nil {
		t.Errorf("an extension that is not critical: %v", err)
	}
}

// TestEveryCutIsRefused cuts a file after each of its bytes.
func TestEveryCutIsRefused(t *testing.T) {
	c := newChain(t)
	text, check := c.bundle(t, 7), c.check(t)
	for n := range text {
		if _, err := check.Verify(text[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are taken", n, len(text))
		}
		if b, err := crlfile.Parse(text[:n]); err == nil && len(b.Lists) == 3 {
			t.Errorf("the first %d of %d bytes are read as a whole file", n, len(text))
		}
	}
}

func TestNoCAGoesBack(t *testing.T) {
	c := newChain(t)
	now := time.Now()
	file := func(l list) []byte {
		return slices.Concat(c.new.CRL(t, l), c.old.CRL(t, list{Number: 3}), c.root.CRL(t, list{Number: 1}))
	}
	check := c.check(t)
	// What is on a disk was read, not verified.
	previous, err := crlfile.Parse(file(list{Number: 300, ThisUpdate: now.Add(-time.Minute)}))
	if err != nil {
		t.Fatal(err)
	}
	check.Previous = previous
	for name, next := range map[string]struct {
		text []byte
		code crlfile.Code
	}{
		"newer":                        {file(list{Number: 301}), ""},
		"newer, by a clock set back":   {file(list{Number: 301, ThisUpdate: now.Add(-time.Hour)}), ""},
		"older":                        {file(list{Number: 299}), crlfile.CodeOlder},
		"older by a digit":             {file(list{Number: 31}), crlfile.CodeOlder},
		"the same number, made before": {file(list{Number: 300, ThisUpdate: now.Add(-time.Hour)}), crlfile.CodeOlder},
	} {
		_, err := check.Verify(next.text)
		if got := crlfile.CodeOf(err); got != next.code {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, next.code)
		}
	}
	// Lists that these CAs did not sign hold nothing up, however high their number.
	foreign := newChain(t)
	noSigner := *foreign.new
	noSigner.Certificate = clone(c.new.Certificate, foreign.new.Certificate)
	forged := slices.Concat(noSigner.CRL(t, list{Number: 1 << 40}), foreign.bundle(t, 1<<40))
	if check.Previous, err = crlfile.Parse(forged); err != nil {
		t.Fatal(err)
	}
	if _, err := check.Verify(file(list{Number: 1})); err != nil {
		t.Errorf("after a file of another root: %v", err)
	}
}

// TestAChainThatShrinksIsRefused has somebody on the way leave out a CA, from the
// chain and from the file.
func TestAChainThatShrinksIsRefused(t *testing.T) {
	c := newChain(t)
	previous, err := crlfile.Parse(c.bundle(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	less := slices.Concat(c.old.CRL(t, list{Number: 2}), c.root.CRL(t, list{Number: 2}))
	check := crlfile.Check{CAs: anchors(t, c.root, c.old).CAs(), Now: time.Now(), Previous: previous}
	if _, err := check.Verify(less); crlfile.CodeOf(err) != crlfile.CodeMissing {
		t.Errorf("got %v, want %s", err, crlfile.CodeMissing)
	}
	check.Previous = nil
	if _, err := check.Verify(less); err != nil {
		t.Errorf("without a file before: %v", err)
	}
}

// TestTwoCertificatesOfOneCAHaveOneList: it got a new one for its old key.
func TestTwoCertificatesOfOneCAHaveOneList(t *testing.T) {
	c := newChain(t)
	again := c.old.Again(t, c.root)
	check := c.check(t)
	check.CAs = anchors(t, c.root, again, c.old, c.new).CAs()
	var err error
	if check.Previous, err = check.Verify(c.bundle(t, 2)); err != nil {
		t.Fatal(err)
	}
	check.CAs = anchors(t, c.root, c.old, again, c.new).CAs()
	if _, err := check.Verify(c.bundle(t, 1)); crlfile.CodeOf(err) != crlfile.CodeOlder {
		t.Errorf("an older file: got %v", err)
	}
	if _, err := check.Verify(slices.Concat(c.bundle(t, 3), again.CRL(t, list{Number: 4}))); crlfile.CodeOf(err) != crlfile.CodeTwice {
		t.Errorf("a list for each certificate: got %v", err)
	}
}

// TestOtherCAsArePassedOver, where that is asked for, whatever is wrong with their lists.
func TestOtherCAsArePassedOver(t *testing.T) {
	c := newChain(t)
	foreign := newChain(t)
	text := slices.Concat(c.bundle(t, 2), foreign.bundle(t, 1), foreign.root.CRL(t, list{ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: time.Now().Add(-time.Hour)}))
	check := c.check(t)
	check.PassOver = true
	b, err := check.Verify(text)
	if err != nil || len(b.Lists) != 3 {
		t.Fatalf("got %v", err)
	}
	// What is kept of what was verified is enough to go on from.
	check.Previous = &crlfile.Bundle{}
	for _, l := range b.Lists {
		head := l.Head()
		if head.Name() != l.Name() || head.Raw != nil || head.NextUpdate != l.NextUpdate {
			t.Errorf("of the CRL of %s is kept %+v", l.Name(), head)
		}
		check.Previous.Lists = append(check.Previous.Lists, head)
	}
	if _, err := check.Verify(c.bundle(t, 1)); crlfile.CodeOf(err) != crlfile.CodeOlder {
		t.Errorf("an older file: got %v", err)
	}
	if _, err := check.Verify(slices.Concat(c.new.CRL(t, list{Number: 3}), c.root.CRL(t, list{Number: 3}))); crlfile.CodeOf(err) != crlfile.CodeMissing {
		t.Errorf("without a CA's list: got %v", err)
	}
}

// TestAnExpiredCANeedsNoList keeps a CA in the chain beyond its time.
func TestAnExpiredCANeedsNoList(t *testing.T) {
	c := newChain(t)
	expired := c.root.Issue(t, "Issuing 0", func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Hour) })
	check := crlfile.Check{CAs: anchors(t, c.root, expired, c.old, c.new).CAs(), Now: time.Now()}
	text := c.bundle(t, 1)
	if _, err := check.Verify(text); err != nil {
		t.Errorf("without its list: %v", err)
	}
	if _, err := check.Verify(slices.Concat(text, expired.CRL(t, list{}))); err != nil {
		t.Errorf("with its list: %v", err)
	}
}

func TestAnchors(t *testing.T) {
	c := newChain(t)
	below := c.old.Issue(t, "Below", nil)
	foreign := crlfiletest.Root(t, "Foreign")
	for name, bad := range map[string][]byte{
		"nothing":               nil,
		"text":                  []byte("hello\n"),
		"no root":               crlfiletest.PEM(c.old),
		"two roots":             crlfiletest.PEM(c.root, foreign),
		"of another root":       crlfiletest.PEM(c.root, foreign.Issue(t, "Issuing 1", nil)),
		"its issuer is missing": crlfiletest.PEM(c.root, below),
		"no CA":                 crlfiletest.PEM(c.root, c.root.Issue(t, "Leaf", func(x *x509.Certificate) { x.IsCA = false })),
		"signs no CRLs":         crlfiletest.PEM(c.root, c.root.Issue(t, "Leaf", func(x *x509.Certificate) { x.KeyUsage = x509.KeyUsageCertSign })),
		"a CRL":                 slices.Concat(crlfiletest.PEM(c.root), c.root.CRL(t, list{})),
		"a broken certificate":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
	} {
		if _, err := crlfile.ParseAnchors(bad); crlfile.CodeOf(err) != crlfile.CodeAnchors {
			t.Errorf("%s: got %v", name, err)
		}
	}
	a := anchors(t, c.root)
	wider, err := a.With(crlfiletest.PEM(below, c.old, c.root, c.old))
	if err != nil || wider.Issuers() != 2 || a.Issuers() != 0 || len(wider.CAs()) != 3 || !wider.CAs()[2].Equal(c.root.Certificate) {
		t.Errorf("got %d issuers and %v", wider.Issuers(), err)
	}
	if _, err := a.With(crlfiletest.PEM(foreign, foreign.Issue(t, "Issuing 1", nil))); crlfile.CodeOf(err) != crlfile.CodeAnchors {
		t.Errorf("a foreign chain: got %v", err)
	}
	for _, check := range []crlfile.Check{{Now: time.Now()}, {Now: time.Now(), PassOver: true}} {
		if _, err := check.Verify(c.bundle(t, 1)); err == nil {
			t.Error("the zero value trusts somebody")
		}
	}
}

// alter changes the last byte of a list's signature.
func alter(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	block.Bytes[len(block.Bytes)-1] ^= 1
	return pem.EncodeToMemory(block)
}

// behind puts an byte behind a list, inside its PEM block.
func behind(text []byte) []byte {
	block, _ := pem.Decode(text)
	block.Bytes = append(block.Bytes, 0)
	return pem.EncodeToMemory(block)
}

// clone is a certificate that says it is c and has the key of other, so that the
// standard library signs with it.
func clone(c, other *x509.Certificate) *x509.Certificate {
	both := *c
	both.PublicKey = other.PublicKey
	return &both
}

func FuzzParse(f *testing.F) {
	root := crlfiletest.Root(f, "Root")
	text := slices.Concat(root.CRL(f, list{Number: 1, Serials: []int64{1}}), root.CRL(f, list{}))
	f.Add(text)
	f.Add(text[:len(text)-30])
	f.Add([]byte(strings.Repeat("-----BEGIN X509 CRL-----\n", 3)))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := crlfile.Parse(text)
		if err != nil {
			return
		}
		if begins := bytes.Count(text, []byte("-----BEGIN ")); begins != len(b.Lists) {
			t.Errorf("%d lists were read of a file with %d blocks", len(b.Lists), begins)
		}
	})
}
