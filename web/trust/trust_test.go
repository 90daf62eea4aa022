package trust

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

// noon is the time in these tests.
func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// source is what ca gives to the handler, set by hand.
type source struct {
	mu      sync.Mutex
	bundle  string
	changed chan struct{}
	waiting chan struct{} // gets one for each request that begins to wait
	asked   [][]byte      // OCSP requests
	answer  Answer
}

func (s *source) document(text string) Document {
	return Document{
		ETag: `"` + text + `"`, Size: int64(len(text)), ThisUpdate: noon(), NextUpdate: noon().Add(24 * time.Hour),
		WriteTo: func(w io.Writer) (int64, error) {
			n, err := io.WriteString(w, text)
			return int64(n), err
		},
	}
}

func (s *source) current() (Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.document(s.bundle), nil
}

func (s *source) replace(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bundle = text
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *source) wait(ctx context.Context, etag string) (Document, error) {
	s.waiting <- struct{}{}
	for {
		s.mu.Lock()
		d, changed := s.document(s.bundle), s.changed
		s.mu.Unlock()
		if d.ETag != etag {
			return d, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return d, nil
		}
	}
}

func selfSigned(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: noon().AddDate(-1, 0, 0), NotAfter: noon().AddDate(19, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open returns a handler over a source.
func open(t testing.TB, change ...func(*Options)) (*Trust, *source) {
	t.Helper()
	s := &source{bundle: "bundle-1", changed: make(chan struct{}), waiting: make(chan struct{}, 1000)}
	s.answer = Answer{DER: []byte("answer"), Cacheable: true, ThisUpdate: noon().Add(-time.Minute), NextUpdate: noon().Add(4 * time.Minute), ETag: `"o1"`}
	site, err := page.New(page.Brand{}, "")
	if err != nil {
		t.Fatal(err)
	}
	issuing := selfSigned(t, "Example Issuing CA 1")
	o := Options{
		Root: selfSigned(t, "Example <Root> & Sons"), Issuers: func() []Issuer { return []Issuer{{"issuing-1", issuing}} },
		CRL: func(issuer string) (Document, error) {
			switch issuer {
			case "issuing-1", "root":
				return s.document("crl of " + issuer), nil
			case "stale":
				return Document{}, &issuance.Error{Kind: issuance.Unavailable, Code: "crl-expired", Message: "expired", Retry: time.Minute}
			}
			return Document{}, issuance.ErrNotFound
		},
		Bundle: s.current, WaitBundle: s.wait,
		OCSP: func(_ context.Context, request []byte) Answer {
			s.asked = append(s.asked, request)
			return s.answer
		},
		OCSPFromPath: func(path string) ([]byte, error) { return base64.StdEncoding.DecodeString(path) },
		Site:         site, URL: "http://pki.example.com/", Now: noon, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h, s
}

// ask makes one request, with name and value of headers in turn.
func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestDocuments(t *testing.T) {
	h, _ := open(t)
	const cacheCertificate, cacheCRL = "public, max-age=3600", "public, no-cache"
	for _, c := range []struct{ path, mediaType, cache, begins string }{
		{"/pki/root.pem", "application/x-pem-file", cacheCertificate, "-----BEGIN CERTIFICATE-----\n"},
		{"/pki/root.cer", "application/pkix-cert", cacheCertificate, string(h.opts.Root.Raw)},
		{"/pki/issuing-1.cer", "application/pkix-cert", cacheCertificate, string(h.opts.Issuers()[0].Certificate.Raw)},
		{"/pki/chain.pem", "application/x-pem-file", cacheCertificate, string(encodePEM(h.opts.Issuers()[0].Certificate.Raw)) + string(encodePEM(h.opts.Root.Raw))},
		{"/pki/root.mobileconfig", "application/x-apple-aspen-config", cacheCertificate, "<?xml"},
		{"/pki/crl-bundle.pem", "application/x-pem-file", cacheCRL, "bundle-1"},
		{"/pki/crl/issuing-1.crl", "application/pkix-crl", cacheCRL, "crl of issuing-1"},
		{"/pki/crl/root.crl", "application/pkix-crl", cacheCRL, "crl of root"},
	} {
		full := ask(h, http.MethodGet, c.path)
		if full.Code != http.StatusOK || !strings.HasPrefix(full.Body.String(), c.begins) {
			t.Errorf("%s: %d %.60q", c.path, full.Code, full.Body)
		}
		header := full.Header()
		for name, want := range map[string]string{"Content-Type": c.mediaType, "Cache-Control": c.cache, "Content-Length": fmt.Sprint(full.Body.Len())} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.path, name, got, want)
			}
		}
		etag := header.Get("ETag")
		if len(etag) < 3 || etag[0] != '"' {
			t.Errorf("%s: ETag %q", c.path, etag)
		}
		if _, err := http.ParseTime(header.Get("Last-Modified")); err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
		if head := ask(h, http.MethodHead, c.path); head.Body.Len() > 0 || head.Header().Get("Content-Length") != header.Get("Content-Length") || head.Header().Get("ETag") != etag {
			t.Errorf("%s: HEAD is answered with %v and %d bytes", c.path, head.Header(), head.Body.Len())
		}
		for _, tag := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
			if again := ask(h, http.MethodGet, c.path, "If-None-Match", tag); again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != etag {
				t.Errorf("%s with If-None-Match %s: %d", c.path, tag, again.Code)
			}
		}
		for _, tag := range []string{`"x"`, "", strings.Trim(etag, `"`)} {
			if again := ask(h, http.MethodGet, c.path, "If-None-Match", tag, "If-Modified-Since", header.Get("Last-Modified")); again.Code != http.StatusOK {
				t.Errorf("%s with If-None-Match %q: %d", c.path, tag, again.Code)
			}
		}
	}
}

func TestWhatThereIsNot(t *testing.T) {
	h, _ := open(t)
	for path, want := range map[string]int{
		"/pki/other.cer": 404, "/pki/crl/other.crl": 404, "/pki/crl/stale.crl": 503, "/pki/nothing": 404, "/": 404, "/c/token": 404, "/claim": 404,
		"/pki/crl/..%2f..%2froot.crl": 404, "/ocspx": 404,
	} {
		w := ask(h, http.MethodGet, path)
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/pki/", "/pki/root.pem", "/pki/crl-bundle.pem", "/pki/crl/issuing-1.crl"} {
		if w := ask(h, http.MethodPost, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestBeforeTakesItsOwnPathsAlone(t *testing.T) {
	h, _ := open(t)
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "next") })
	for path, ours := range map[string]bool{
		"/pki": true, "/pki/": true, "/pki/root.pem": true, "/ocsp": true, "/ocsp/a//b": true,
		"/": false, "/pkix": false, "/ocspx": false, "/claim": false, "/assets/page.css": false,
	} {
		w := ask(h.Before(next), http.MethodGet, path)
		if got := w.Body.String() != "next"; got != ours {
			t.Errorf("%s: ours is %v, want %v", path, got, ours)
		}
	}
}

func TestTheProfileIsAPropertyListWithTheRoot(t *testing.T) {
	root := selfSigned(t, "Example <Root> & Sons")
	text := profile(root.Raw, root.Subject.CommonName)
	d := xml.NewDecoder(bytes.NewReader(text))
	var all strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if chars, ok := token.(xml.CharData); ok {
			all.Write(chars)
		}
	}
	for _, want := range []string{base64.StdEncoding.EncodeToString(root.Raw), "Example <Root> & Sons", "com.apple.security.root"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the profile lacks %.60s", want)
		}
	}
	if !bytes.Equal(text, profile(root.Raw, root.Subject.CommonName)) {
		t.Error("two profiles of one root differ: installing the second would not replace the first")
	}
}

func TestThePage(t *testing.T) {
	h, _ := open(t)
	for language, title := range map[string]string{"en": "Certificates and revocation", "de": "Zertifikate und Widerruf", "fr": "Certificats et révocation"} {
		w := ask(h, http.MethodGet, "/pki/", "Accept-Language", language)
		body := w.Body.String()
		for _, want := range []string{title, strings.Join(fingerprint(h.opts.Root.Raw), ":<wbr>"), "Example &lt;Root&gt; &amp; Sons", "/pki/root.mobileconfig", "issuing-1.crl", "http://pki.example.com/ocsp"} {
			if !strings.Contains(body, want) {
				t.Errorf("the page in %s lacks %q", language, want)
			}
		}
		if w.Code != http.StatusOK || w.Header().Get("Content-Language") != language || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v", language, w.Code, w.Header())
		}
	}
	if w := ask(h, http.MethodGet, "/pki"); w.Code != http.StatusMovedPermanently || w.Header().Get("Location") != "/pki/" {
		t.Errorf("/pki: %d %v", w.Code, w.Header())
	}
	if w := ask(h, http.MethodGet, "/assets/page.css"); w.Code != http.StatusOK {
		t.Errorf("the page's style sheet: %d", w.Code)
	}
}
