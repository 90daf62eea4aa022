package mtls

import (
	"bytes"
	"crypto"
	"crypto/rand"
	_ "crypto/sha1" // to sign with SHA-1
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/postern-ca/postern/ca/crlfile"
)

// TestOnlyAWholeAndCurrentBundleIsTaken gives each bundle to who has number 7.
func TestOnlyAWholeAndCurrentBundleIsTaken(t *testing.T) {
	f := newForger(t)
	mallory := testSub(t, nil, "Mallory Root CA", nil)
	twin := testSub(t, nil, "Client Issuing CA 1", func(c *x509.Certificate) { c.SubjectKeyId = f.issuing.cert.SubjectKeyId })
	root := f.crl(f.root, 1, nil)
	issuing := func(number int64, change func(*x509.RevocationList)) []byte { return f.crl(f.issuing, number, change) }
	with := func(first []byte) []byte { return append(slices.Clone(first), root...) }
	revokedEntry := func(e pkix.Extension) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(1), RevocationTime: testStart(), ExtraExtensions: []pkix.Extension{e}}}
		}
	}
	extension := func(last int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{ext(last, true, []byte{2, 1, 1})} }
	}
	dates := func(this, next time.Duration) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = testStart().Add(this), testStart().Add(next)
		}
	}
	good := issuing(8, nil)
	block, _ := pem.Decode(good)
	altered := slices.Clone(block.Bytes)
	altered[len(altered)-1] ^= 1
	tests := map[string]struct {
		data []byte
		want crlfile.Code // empty: it is taken
	}{
		"the next":             {with(good), ""},
		"the same again":       {with(issuing(7, nil)), ""},
		"the root's first":     {append(slices.Clone(root), good...), ""},
		"another CA's CRL too": {with(append(slices.Clone(good), f.crl(mallory, 1, nil)...)), ""},
		"lines between":        {with(append(slices.Clone(good), "\r\n\n"...)), ""},
		"nothing":              {nil, crlfile.CodeRubbish},
		"a page of HTML":       {[]byte("<html>sign in</html>"), crlfile.CodeRubbish},
		"text before":          {append([]byte("CRLs\n"), with(good)...), crlfile.CodeRubbish},
		"text between":         {append(append(slices.Clone(good), "and\n"...), root...), crlfile.CodeRubbish},
		"certificates":         {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.root.cert.Raw}), crlfile.CodeRubbish},
		"cut in the last CRL":  {with(good)[:len(with(good))-30], crlfile.CodeRubbish},
		"cut in the first CRL": {good[:100], crlfile.CodeRubbish},
		"cut between CRLs":     {good, crlfile.CodeMissing},
		"the root's alone":     {root, crlfile.CodeMissing},
		"DER cut short":        {with(crlPEM(block.Bytes[:len(block.Bytes)-10])), crlfile.CodeRubbish},
		"rubbish in PEM":       {with(crlPEM([]byte("rubbish"))), crlfile.CodeRubbish},
		"another CA's alone":   {with(f.crl(mallory, 8, nil)), crlfile.CodeMissing},
		"our CA's name":        {with(f.crl(twin, 8, nil)), crlfile.CodeSignature},
		"an altered signature": {with(crlPEM(altered)), crlfile.CodeSignature},
		"SHA-1":                {with(f.forgedCRL(true)), crlfile.CodeSignature},
		"no end":               {with(f.forgedCRL(false)), crlfile.CodeLapsed},
		"two of one CA":        {with(append(slices.Clone(good), issuing(9, nil)...)), crlfile.CodeTwice},
		"an older number":      {with(issuing(6, nil)), crlfile.CodeOlder},
		"an older date":        {with(issuing(7, dates(-2*time.Minute, time.Hour))), crlfile.CodeOlder},
		"a newer number, though of an older date": {with(issuing(8, dates(-2*time.Minute, time.Hour))), ""},
		"lapsed":                   {with(issuing(8, dates(-time.Hour, -time.Second))), crlfile.CodeLapsed},
		"of the future":            {with(issuing(8, dates(time.Hour, 2*time.Hour))), crlfile.CodeFuture},
		"a clock a little ahead":   {with(issuing(8, dates(time.Minute, time.Hour))), ""},
		"a delta CRL":              {with(issuing(8, extension(27))), crlfile.CodeCritical},
		"a partial CRL":            {with(issuing(8, extension(28))), crlfile.CodeCritical},
		"an entry of another CA":   {with(issuing(8, revokedEntry(ext(29, true, seq())))), crlfile.CodeCritical},
		"a date that is no matter": {with(issuing(8, revokedEntry(ext(24, false, []byte{24, 15, '2', '0', '2', '6', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z'})))), ""},
	}
	before, _, err := f.cas.readBundle(f.bundle(7), nil, testStart())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := f.cas.readBundle(test.data, before, testStart())
			if (err == nil) != (test.want == "") || crlfile.CodeOf(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestACAWhoseTimeIsOverNeedsNoCRL: the server leaves it out.
func TestACAWhoseTimeIsOverNeedsNoCRL(t *testing.T) {
	f := newForger(t)
	old := testSub(t, &f.root, "Client Issuing CA 0", func(c *x509.Certificate) { c.NotAfter = testStart().Add(-time.Second) })
	mute := testSub(t, &f.root, "Mute", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
	cas, err := NewCAs(f.root.cert, f.issuing.cert, old.cert)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := cas.readBundle(f.bundle(1), nil, testStart()); err != nil {
		t.Error(err)
	}
	if _, _, err := cas.readBundle(f.bundle(1), nil, testStart().Add(-time.Minute)); err == nil {
		t.Error("its CRL is not missed in its time")
	}
	if cas, err = NewCAs(f.root.cert, mute.cert); err != nil {
		t.Fatal(err)
	}
	signs := *mute.cert
	signs.KeyUsage |= x509.KeyUsageCRLSign
	mute.cert = &signs
	if _, _, err := cas.readBundle(append(f.crl(mute, 1, nil), f.crl(f.root, 1, nil)...), nil, testStart()); err == nil || !strings.Contains(err.Error(), "does not sign CRLs") {
		t.Errorf("a CRL of a CA without cRLSign: got %v", err)
	}
}

// forgedCRL is a CRL of the issuing CA that the library does not make: signed over
// SHA-1, or without nextUpdate.
func (f *forger) forgedCRL(weak bool) []byte {
	how, hash := ecdsaSHA256(), crypto.SHA256
	if weak {
		how, hash = algorithm(1, 2, 840, 10045, 4, 1), crypto.SHA1
	}
	at := func(d time.Duration) []byte {
		return der(func(b *cryptobyte.Builder) { b.AddASN1UTCTime(testStart().Add(d)) })
	}
	tbs := [][]byte{{2, 1, 1}, how, f.issuing.cert.RawSubject, at(-time.Minute)}
	if weak {
		tbs = append(tbs, at(time.Hour))
	}
	var extensions []byte
	for _, e := range []pkix.Extension{ext(extAKI, false, seq(tagged(0x80, f.issuing.cert.SubjectKeyId))), ext(20, false, []byte{2, 1, 8})} {
		out, err := asn1.Marshal(e)
		if err != nil {
			f.t.Fatal(err)
		}
		extensions = append(extensions, out...)
	}
	whole := seq(append(tbs, tagged(0xa0, seq(extensions)))...)
	signature, err := crypto.SignMessage(f.issuing.key, rand.Reader, whole, hash)
	if err != nil {
		f.t.Fatal(err)
	}
	return crlPEM(seq(whole, how, tagged(3, append([]byte{0}, signature...))))
}

// FuzzBundle: whatever is served, it is read or refused.
func FuzzBundle(f *testing.F) {
	forge := newForger(f)
	good := forge.bundle(1, big.NewInt(7))
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("X509 CRL"), []byte("X509 CRM"), 1))
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, _, err := forge.cas.readBundle(data, nil, testStart())
		if err == nil && len(lists) != 2 {
			t.Errorf("a bundle with %d CRLs of ours was taken", len(lists))
		}
	})
}
