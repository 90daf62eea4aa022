package mtls

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func codeOf(err error) Code {
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal.Code
	}
	return ""
}

// TestTheHierarchyBoundsItsClients has hierarchies that may not issue what they did.
func TestTheHierarchyBoundsItsClients(t *testing.T) {
	uriDomains := func(permitted, excluded []string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedURIDomains, c.ExcludedURIDomains = true, permitted, excluded
		}
	}
	dates := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = testStart().Add(from), testStart().Add(to) }
	}
	none := func(*x509.Certificate) {}
	tests := map[string]struct {
		root, issuing func(*x509.Certificate)
		want          Code
	}{
		"no bounds":                          {none, none, ""},
		"its trust domain is permitted":      {none, uriDomains([]string{"example.com"}, nil), ""},
		"other trust domains are permitted":  {none, uriDomains([]string{"example.org"}, nil), CodeConstraints},
		"its trust domain is excluded":       {none, uriDomains(nil, []string{"example.com"}), CodeConstraints},
		"the root excludes its trust domain": {func(c *x509.Certificate) { uriDomains(nil, []string{"example.com"})(c); c.URIs = nil }, func(c *x509.Certificate) { c.URIs = nil }, CodeConstraints},
		"the CA is for servers":              {none, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, CodeChain},
		"the CA ended":                       {none, dates(-2*time.Hour, -time.Second), CodeIssuerTime},
		"the CA has not begun":               {none, dates(time.Second, time.Hour), CodeIssuerTime},
		"the CA in its last second":          {none, dates(-2*time.Hour, 0), ""},
		"the CA in its first second":         {none, dates(0, time.Hour), ""},
		"the root ended":                     {dates(-2*time.Hour, -time.Second), none, CodeIssuerTime},
		"the root has not begun":             {dates(time.Second, time.Hour), none, CodeIssuerTime},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newForger(t)
			f.root = testSub(t, nil, "Client Root CA", test.root)
			f.issuing = testSub(t, &f.root, "Client Issuing CA 1", test.issuing)
			var err error
			if f.cas, err = NewCAs(f.issuing.cert, f.root.cert); err != nil {
				if test.want == CodeConstraints && strings.Contains(err.Error(), "not authorized") {
					return // refused as a hierarchy already
				}
				t.Fatal(err)
			}
			v := &Verifier{CAs: f.cas, Revocation: stands{}, Now: testStart}
			for again := range 2 { // from memory the second time
				_, err = v.Check(context.Background(), []*x509.Certificate{f.parsed(nil)})
				if codeOf(err) != test.want || (err == nil) != (test.want == "") {
					t.Errorf("check %d: got %v, want %q", again, err, test.want)
				}
			}
		})
	}
}

// TestTheTimeOfEachCheckCounts: what was once accepted is not accepted for ever.
func TestTheTimeOfEachCheckCounts(t *testing.T) {
	f := newForger(t)
	cert := f.parsed(nil)
	now := cert.NotBefore
	v := &Verifier{CAs: f.cas, Revocation: stands{}, Now: func() time.Time { return now }}
	for _, step := range []struct {
		at   time.Time
		want Code
	}{
		{cert.NotBefore, ""},
		{cert.NotBefore.Add(-time.Second), CodeEarly},
		{cert.NotAfter, ""},
		{cert.NotAfter.Add(time.Second), CodeExpired},
		{f.issuing.cert.NotAfter.Add(time.Second), CodeIssuerTime},
	} {
		now = step.at
		if _, err := v.Check(context.Background(), []*x509.Certificate{cert}); codeOf(err) != step.want {
			t.Errorf("at %v: got %v, want %q", step.at, err, step.want)
		}
	}
}

func TestHierarchiesThatAreNone(t *testing.T) {
	f := newForger(t)
	a, b := f.loop("Loop A", "Loop B")
	mallory := testSub(t, nil, "Client Root CA", func(c *x509.Certificate) { c.SubjectKeyId = f.root.cert.SubjectKeyId })
	below := testSub(t, &f.issuing, "A CA below", nil)
	critical := testSub(t, &f.root, "Critical", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	})
	mute := testSub(t, &f.root, "Mute", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	tests := map[string]struct {
		certs []*x509.Certificate
		want  string
	}{
		"nothing":                         {nil, "no issuing CA"},
		"a root alone":                    {[]*x509.Certificate{f.root.cert}, "no issuing CA"},
		"an issuing CA alone":             {[]*x509.Certificate{f.issuing.cert}, "does not lead to a root"},
		"a loop":                          {[]*x509.Certificate{a.cert, b.cert}, "no issuing CA"},
		"a root of the same name":         {[]*x509.Certificate{f.issuing.cert, mallory.cert}, "signature"},
		"a client's certificate":          {[]*x509.Certificate{f.root.cert, f.issuing.cert, f.parsed(nil)}, "not a CA"},
		"longer than the path may be":     {[]*x509.Certificate{f.root.cert, f.issuing.cert, below.cert}, "path length"},
		"a strange critical extension":    {[]*x509.Certificate{f.root.cert, critical.cert}, "unhandled critical extension"},
		"a CA that signs no certificates": {[]*x509.Certificate{f.root.cert, mute.cert}, "not a CA that signs"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := NewCAs(test.certs...); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestOnlyIssuingCAsIssueClients has a hierarchy of three levels under an outside root.
func TestOnlyIssuingCAsIssueClients(t *testing.T) {
	f := newForger(t)
	outside := testSub(t, nil, "Outside Root", func(c *x509.Certificate) { c.URIs = nil })
	f.root = testSub(t, &outside, "Company CA", func(c *x509.Certificate) { c.URIs = nil })
	f.issuing = testSub(t, &f.root, "Client Issuing CA 1", nil)
	file := filepath.Join(t.TempDir(), "chain.pem")
	var data []byte
	for _, ca := range []testCA{f.issuing, f.root, outside} {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})...)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.cas, err = ReadCAs(file); err != nil {
		t.Fatal(err)
	}
	v := &Verifier{CAs: f.cas, Revocation: stands{}, Now: testStart}
	if _, err := v.Check(context.Background(), []*x509.Certificate{f.parsed(nil)}); err != nil {
		t.Errorf("a client of the issuing CA: %v", err)
	}
	for _, above := range []testCA{f.root, outside} {
		chain := f.by(above, CodeForeign).chain
		cert, err := x509.ParseCertificate(chain[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Check(context.Background(), []*x509.Certificate{cert}); codeOf(err) != CodeForeign {
			t.Errorf("a client of %s: got %v, want %s", above.cert.Subject, err, CodeForeign)
		}
	}
	for name, content := range map[string]string{"a key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "rubbish": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "nothing": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCAs(file); err == nil {
			t.Errorf("%s is taken for CAs", name)
		}
	}
	if _, err := ReadCAs(file + ".gone"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: got %v", err)
	}
}

// TestWhatIsLetIn are cases that may look like attacks, with why they are none.
func TestWhatIsLetIn(t *testing.T) {
	f := newForger(t)
	mallory := testSub(t, nil, "Mallory Root CA", nil)
	good := f.parsed(nil)
	tests := map[string][]*x509.Certificate{
		// What a client sends along is never used.
		"strange certificates sent along": {good, mallory.cert, mallory.cert},
		"its own chain":                   {good, f.issuing.cert, f.root.cert},
		// ECDSA signatures can be changed without the key: (r, n-s) is as valid as
		// (r, s). What is signed is the same, and revocation goes by serial number.
		"the other signature": {f.parsed(func(p *parts) {
			sign := p.sign
			p.sign = func(tbs []byte) []byte { return otherSignature(t, sign(tbs)) }
		}), f.issuing.cert},
		// Extensions that are not critical say nothing that a verifier must know.
		"an unknown extension": {f.parsed(func(p *parts) { p.set(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}) })},
		"its usage is critical": {f.parsed(func(p *parts) {
			p.set(ext(extEKU, true, seq(oid(1, 3, 6, 1, 5, 5, 7, 3, 2))))
		})},
	}
	for name, presented := range tests {
		v := &Verifier{CAs: f.cas, Revocation: stands{}, Now: testStart}
		if caller, err := v.Check(context.Background(), presented); err != nil || caller.SPIFFEID != goodURI {
			t.Errorf("%s: got %v, %v", name, caller, err)
		}
	}
}

// TestAFullMemoryForgets: the memory of accepted certificates is bounded.
func TestAFullMemoryForgets(t *testing.T) {
	f := newForger(t)
	i := &f.cas.issuing[0]
	for n := range maxSeen + 1 {
		f.cas.seen.add(&x509.Certificate{Raw: []byte{byte(n), byte(n >> 8), byte(n >> 16)}}, i)
	}
	if got := len(f.cas.seen.ids); got != 1 {
		t.Errorf("%d certificates are remembered, want 1", got)
	}
}
