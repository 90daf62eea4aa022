package mtls

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func pemOf(cas ...testCA) (text []byte) {
	for _, ca := range cas {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})...)
	}
	return text
}

// chainServer serves what is stored in it.
func chainServer(t *testing.T, text []byte) (*atomic.Value, string) {
	t.Helper()
	var served atomic.Value
	served.Store(text)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(served.Load().([]byte)) }))
	t.Cleanup(server.Close)
	return &served, server.URL
}

// clientOf returns a client certificate of ca that is made as ours are.
func (f *forger) clientOf(ca testCA) *x509.Certificate {
	f.t.Helper()
	other := *f
	other.issuing = ca
	return other.parsed(nil)
}

// TestANewIssuingCAIsLearned over the URL and from a file, while the service runs.
func TestANewIssuingCAIsLearned(t *testing.T) {
	f := newForger(t)
	next := testSub(t, &f.root, "Client Issuing CA 2", nil)
	both := func(number int64, ofNext ...*x509.Certificate) []byte {
		text := append(f.bundle(number), f.crl(next, number, nil)...)
		for _, cert := range ofNext {
			text = append(f.bundle(number), f.crl(next, number, nil, cert.SerialNumber)...)
		}
		return text
	}
	// Strangers in the chain are passed over.
	stranger, below := testSub(t, nil, "Somebody", nil), testSub(t, &f.issuing, "A CA below", nil)
	_, chain := chainServer(t, pemOf(stranger, below, next, f.issuing, f.root))
	for _, from := range []string{"URL", "file"} {
		t.Run(from, func(t *testing.T) {
			cas, err := NewCAs(f.root.cert, f.issuing.cert)
			if err != nil {
				t.Fatal(err)
			}
			crls := &CRLs{CAs: cas, ChainURL: chain, Now: testStart}
			var publish func([]byte)
			if from == "URL" {
				server := newFeed(t, f.bundle(1))
				crls.URL, publish = server.URL, server.publish
			} else {
				crls.File = filepath.Join(t.TempDir(), "crl-bundle.pem")
				publish = func(text []byte) {
					if err := os.WriteFile(crls.File+".new", text, 0o600); err != nil {
						t.Fatal(err)
					}
					if err := os.Rename(crls.File+".new", crls.File); err != nil {
						t.Fatal(err)
					}
				}
				publish(f.bundle(1))
			}
			v := &Verifier{CAs: cas, Revocation: crls, Now: testStart}
			names := v.TLSConfig(nil).ClientCAs
			follow(t, crls)
			cert := f.clientOf(next)
			code := func(cert *x509.Certificate) Code {
				_, err := v.Check(context.Background(), []*x509.Certificate{cert})
				return codeOf(err)
			}
			if got := code(cert); got != CodeForeign {
				t.Fatalf("before: got %q, want %s", got, CodeForeign)
			}
			publish(both(2))
			eventually(t, "a client of the new CA", func() bool { return code(cert) == "" })
			if got := code(f.parsed(nil)); got != "" {
				t.Errorf("a client of the old CA: %s", got)
			}
			publish(both(3, cert))
			eventually(t, "its revocation", func() bool { return code(cert) == CodeRevoked })
			publish(append(append(f.crl(f.issuing, 4, nil), f.crl(next, 4, nil)...), f.crl(f.root, 4, nil, next.cert.SerialNumber)...))
			eventually(t, "the revocation of the CA", func() bool { return code(cert) == CodeIssuerRevoked })
			want := x509.NewCertPool()
			want.AddCert(f.issuing.cert)
			want.AddCert(f.root.cert)
			if !names.Equal(want) {
				t.Error("the root's name is not sent: a client of the new CA would show nothing")
			}
		})
	}
}

// TestWhatIsNotLearned has chains that somebody on the way has made up.
func TestWhatIsNotLearned(t *testing.T) {
	f := newForger(t)
	mallory := testSub(t, nil, "Client Root CA", func(c *x509.Certificate) { c.SubjectKeyId = f.root.cert.SubjectKeyId })
	domain := func(host string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.URIs = []*url.URL{{Scheme: "spiffe", Host: host}} }
	}
	for name, test := range map[string]struct {
		ca   testCA
		more []testCA
	}{
		"of a root of the same name and key id": {testSub(t, &mallory, "Client Issuing CA 2", nil), []testCA{mallory}},
		"of another root":                       {testSub(t, nil, "Mallory", nil), nil},
		"another root, and a CA of it":          {testSub(t, &mallory, "Client Issuing CA 3", func(c *x509.Certificate) { c.AuthorityKeyId = []byte{1} }), []testCA{mallory}},
		"below our issuing CA":                  {testSub(t, &f.issuing, "A CA below", nil), nil},
		"ours, for nobody's trust domain":       {testSub(t, &f.root, "VPN CA", func(c *x509.Certificate) { c.URIs = nil }), nil},
		"ours, for another trust domain":        {testSub(t, &f.root, "Other CA", domain("example.org")), nil},
		"ours, which signs no certificates":     {testSub(t, &f.root, "Mute", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), nil},
		"a client's certificate":                {testCA{f.parsed(nil), f.key}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cas, err := NewCAs(f.root.cert, f.issuing.cert)
			if err != nil {
				t.Fatal(err)
			}
			_, chain := chainServer(t, pemOf(append(test.more, test.ca, f.issuing, f.root)...))
			stranger := testSub(t, nil, "Somebody", nil)
			crls := &CRLs{CAs: cas, URL: "http://127.0.0.1/", ChainURL: chain, Now: testStart}
			bundle := append(f.bundle(1), f.crl(stranger, 1, nil)...)
			if test.ca.cert.IsCA && test.ca.cert.KeyUsage&x509.KeyUsageCRLSign != 0 {
				bundle = append(bundle, f.crl(test.ca, 1, nil)...)
			}
			if err := crls.take(bundle); err != nil {
				t.Fatal(err)
			}
			crls.learn(context.Background(), nil)
			if cas.widest() != cas {
				t.Errorf("it was learned")
			}
		})
	}
}

// TestLearningWaitsForNothing: a chain that does not come, or is rubbish, holds no
// revocation up, and is asked for again from time to time alone.
func TestLearningWaitsForNothing(t *testing.T) {
	f := newForger(t)
	cas, err := NewCAs(f.root.cert, f.issuing.cert)
	if err != nil {
		t.Fatal(err)
	}
	next := testSub(t, &f.root, "Client Issuing CA 2", nil)
	served, chain := chainServer(t, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	log := &strings.Builder{}
	crls := &CRLs{CAs: cas, URL: "http://127.0.0.1/", ChainURL: chain, Now: testStart, Log: slog.New(slog.NewTextHandler(log, nil))}
	cert := f.parsed(nil)
	if err := crls.take(append(f.bundle(1, cert.SerialNumber), f.crl(next, 1, nil)...)); err != nil {
		t.Fatal(err)
	}
	v := &Verifier{CAs: cas, Revocation: crls, Now: testStart}
	if _, err := v.Check(context.Background(), []*x509.Certificate{cert}); codeOf(err) != CodeRevoked {
		t.Errorf("before anything is learned: got %v, want %s", err, CodeRevoked)
	}
	for range 3 {
		crls.learn(context.Background(), nil)
	}
	if got := strings.Count(log.String(), "learning of new issuing CAs"); got != 1 {
		t.Errorf("%d failures are logged, want 1: %s", got, log)
	}
	// A CA whose CRL is not there yet is not learned: nobody's status could be told.
	served.Store(pemOf(next, testSub(t, &f.root, "Client Issuing CA 3", nil)))
	crls.chainAsked = time.Time{}
	crls.learn(context.Background(), nil)
	if cas.widest() != cas {
		t.Error("a CA without a CRL was learned")
	}
	served.Store(pemOf(next))
	crls.chainAsked = time.Time{}
	crls.learn(context.Background(), nil)
	if cas.widest() == cas {
		t.Error("nothing was learned once the chain was there")
	}
}
