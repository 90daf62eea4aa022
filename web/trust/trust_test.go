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
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
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
		for name, want := range map[string]string{"Content-Type": c.mediaType, "Cache-Control": c.cache, "Content-Length": fmt.Sprint(full.Body.Len()), "X-Content-Type-Options": "nosniff"} {
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
			t.Errorf("%s: HEAD is answered with %v and %d octets", c.path, head.Header(), head.Body.Len())
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

// TestAChangeEndsTheWait waits on a real listener, as crl-sync does.
func TestAChangeEndsTheWait(t *testing.T) {
	h, s := open(t)
	listener := httptest.NewServer(h)
	defer listener.Close()
	answers := make(chan *http.Response)
	go func() {
		r, _ := http.NewRequest(http.MethodGet, listener.URL+"/pki/crl-bundle.pem", nil)
		r.Header.Set("If-None-Match", `"bundle-1"`)
		r.Header.Set("Prefer", "respond-async, wait=60")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	<-s.waiting
	s.replace("bundle-2")
	answer := <-answers
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || string(body) != "bundle-2" || answer.Header.Get("Preference-Applied") != "wait=60" || answer.Header.Get("ETag") != `"bundle-2"` {
		t.Errorf("got %d %s %v", answer.StatusCode, body, answer.Header)
	}
}

// TestWaitingAndReadingOutliveTheListenersTimeout: with a nanosecond for every
// answer, only those that ask for more time arrive.
func TestWaitingAndReadingOutliveTheListenersTimeout(t *testing.T) {
	closing := make(chan struct{})
	h, s := open(t, func(o *Options) { o.Closing = closing })
	listener, err := server.New(server.Options{Name: "plain", Addr: "127.0.0.1:0", Handler: h, WriteTimeout: time.Nanosecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	ctx, stop := context.WithCancel(t.Context())
	go func() { served <- listener.Serve(ctx) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	fetch := func(path string, header http.Header) (int, error) {
		r, _ := http.NewRequest(http.MethodGet, "http://"+listener.Addr().String()+path, nil)
		r.Header = header
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		_, err = io.ReadAll(answer.Body)
		return answer.StatusCode, err
	}
	if status, err := fetch("/pki/crl/root.crl", http.Header{}); err != nil || status != http.StatusOK {
		t.Errorf("a CRL: %d, %v", status, err)
	}
	go func() {
		<-s.waiting
		close(closing)
	}()
	if status, err := fetch("/pki/crl-bundle.pem", http.Header{"Prefer": {"wait=60"}, "If-None-Match": {`"bundle-1"`}}); err != nil || status != http.StatusNotModified {
		t.Errorf("after a wait: %d, %v", status, err)
	}
	if _, err := fetch("/pki/nothing", http.Header{}); err == nil {
		t.Error("an answer without more time arrives: this test tests nothing")
	}
}

func TestWhoDoesNotWait(t *testing.T) {
	h, s := open(t)
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"another ETag": {[]string{"If-None-Match", `"bundle-0"`, "Prefer", "wait=60"}, 200},
		"no ETag":      {[]string{"Prefer", "wait=60"}, 200},
		"no Prefer":    {[]string{"If-None-Match", `"bundle-1"`}, 304},
		"wait of 0":    {[]string{"If-None-Match", `"bundle-1"`, "Prefer", "wait=0"}, 304},
		"nonsense":     {[]string{"If-None-Match", `"bundle-1"`, "Prefer", "wait=-5, wait=9"}, 304},
		"other":        {[]string{"If-None-Match", `"bundle-1"`, "Prefer", "return=minimal; wait=5"}, 304},
	} {
		w := ask(h, http.MethodGet, "/pki/crl-bundle.pem", c.header...)
		if w.Code != c.status || w.Header().Get("Preference-Applied") != "" || len(s.waiting) > 0 {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}

func TestWaitPreferred(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"wait=10": 10 * time.Second, `WAIT = "7"`: 7 * time.Second, "foo, wait=3; x=y": 3 * time.Second, "wait=3600": time.Minute, "wait=99999999999999999999": 0, "wait": 0, "": 0, "waiter=5": 0,
	} {
		if got := waitPreferred([]string{header}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

// TestWaitersAreBounded takes all places of one address, then all places.
func TestWaitersAreBounded(t *testing.T) {
	closing := make(chan struct{})
	h, s := open(t, func(o *Options) { o.MaxWaiters, o.Closing = 16, closing })
	var waiting sync.WaitGroup
	from := func(address string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/pki/crl-bundle.pem", nil)
		r.RemoteAddr = address
		r.Header.Set("If-None-Match", `"bundle-1"`)
		r.Header.Set("Prefer", "wait=60")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	begin := func(address string) {
		waiting.Go(func() {
			if w := from(address); w.Code != http.StatusNotModified || w.Header().Get("Preference-Applied") != "wait=60" {
				t.Errorf("one that waited is answered with %d %v", w.Code, w.Header())
			}
		})
		<-s.waiting
	}
	refused := func(address, why string) {
		if w := from(address); w.Code != http.StatusNotModified || w.Header().Get("Preference-Applied") != "" || w.Header().Get("Retry-After") != "5" {
			t.Errorf("%s: %d %v", why, w.Code, w.Header())
		}
	}
	for range 2 {
		begin("192.0.2.1:1000")
	}
	refused("192.0.2.1:2000", "a third of one address waits")
	for i := range 14 {
		begin(fmt.Sprintf("192.0.2.%d:1000", i+2))
	}
	refused("198.51.100.1:1000", "a seventeenth waits")
	close(closing) // ends all waiting
	waiting.Wait()
	if h.waiters.all != 0 || len(h.waiters.of) != 0 {
		t.Errorf("places are kept: %d, %v", h.waiters.all, h.waiters.of)
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
	for language, title := range map[string]string{"en": "Certificates and revocation", "de": "Zertifikate und Sperrungen", "fr": "Certificats et révocation"} {
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

func TestOCSP(t *testing.T) {
	h, s := open(t)
	request := []byte{0xfb, 0xff, 0xbf, 1, 2, 3} // its base64 has + and /
	encoded := base64.StdEncoding.EncodeToString(request)
	for name, path := range map[string]string{"plain": "/ocsp/" + encoded, "escaped": "/ocsp/" + url.QueryEscape(encoded)} {
		s.asked = nil
		w := ask(h, http.MethodGet, path)
		if len(s.asked) != 1 || !bytes.Equal(s.asked[0], request) {
			t.Errorf("%s: asked %x, want %x", name, s.asked, request)
		}
		for header, want := range map[string]string{
			"Content-Type": "application/ocsp-response", "ETag": `"o1"`, "Cache-Control": "max-age=240, public, no-transform, must-revalidate",
			"Last-Modified": "Sat, 21 Nov 2026 11:59:00 GMT", "Expires": "Sat, 21 Nov 2026 12:04:00 GMT",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if w.Code != http.StatusOK || w.Body.String() != "answer" {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
	if w := ask(h, http.MethodGet, "/ocsp/"+encoded, "If-None-Match", `"o1"`); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("If-None-Match: %d %q", w.Code, w.Body)
	}
	if w := ask(h, http.MethodHead, "/ocsp/"+encoded); w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Content-Length") != "6" {
		t.Errorf("HEAD: %d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestOCSPByPost(t *testing.T) {
	h, s := open(t)
	post := func(contentType string, body []byte) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/ocsp", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, contentType := range []string{ocspRequest, "Application/OCSP-Request; x=y"} {
		if w := post(contentType, []byte("question")); w.Code != http.StatusOK || w.Body.String() != "answer" || string(s.asked[len(s.asked)-1]) != "question" {
			t.Errorf("%s: %d %q", contentType, w.Code, w.Body)
		}
	}
	if w := post("text/plain", []byte("question")); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", w.Code)
	}
	// Too long: the responder is asked nothing, which it answers as malformed.
	if w := post(ocspRequest, make([]byte, maxOCSPRequest+1)); w.Code != http.StatusOK || len(s.asked[len(s.asked)-1]) != 0 {
		t.Errorf("too long: %d, asked %d octets", w.Code, len(s.asked[len(s.asked)-1]))
	}
	s.answer = Answer{DER: []byte("malformed")}
	if w := post(ocspRequest, []byte("x")); w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("ETag") != "" || w.Body.String() != "malformed" {
		t.Errorf("an error may be cached: %v", w.Header())
	}
	if w := ask(h, http.MethodGet, "/ocsp/***"); w.Code != http.StatusOK || len(s.asked[len(s.asked)-1]) != 0 {
		t.Errorf("rubbish in the address: %d", w.Code)
	}
	if w := ask(h, http.MethodPut, "/ocsp"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d %v", w.Code, w.Header())
	}
}
