package main

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/issuance"
)

// ocspAnswer is what came back for one OCSP request.
type ocspAnswer struct {
	status int
	header http.Header
	body   []byte
}

// ocspAsk sends r to the plain listener.
func (h ocspHouse) ocspAsk(t *testing.T, method, path, mediaType string, body []byte) ocspAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.h.cfg.Plain.URL+path, bytes.NewReader(body))
	must(t, err)
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer answer.Body.Close()
	der, err := io.ReadAll(answer.Body)
	must(t, err)
	return ocspAnswer{answer.StatusCode, answer.Header, der}
}

// withSlashes returns a request about the certificate whose base64 has "//" and
// "+" in it: an extension of the request, which is passed over, is chosen so.
func withSlashes(t *testing.T, request []byte) []byte {
	t.Helper()
	// OCSPRequest { TBSRequest { requestList, [2] { Extensions { Extension } } } }, all lengths below 128.
	list := request[4:]
	for pad := range 3 {
		value := append(make([]byte, pad), 0xff, 0xff, 0xff, 0xfb, 0xef, 0xbe, 0xfb, 0xef, 0xbe)
		extension := append([]byte{0x06, 2, 0x2a, 3, 0x04, byte(len(value))}, value...)
		for range 2 {
			extension = append([]byte{0x30, byte(len(extension))}, extension...)
		}
		extension = append([]byte{0xa2, byte(len(extension))}, extension...)
		tbs := append([]byte{0x30, byte(len(list) + len(extension))}, list...)
		tbs = append(tbs, extension...)
		padded := append([]byte{0x30, byte(len(tbs))}, tbs...)
		if text := base64.StdEncoding.EncodeToString(padded); len(tbs) < 128 && strings.Contains(text, "//") && strings.Contains(text, "+") {
			return padded
		}
	}
	t.Fatal("no such request was made")
	return nil
}

// TestOCSPFromStrangers sends the plain listener what clients, proxies and
// strangers make of OCSP requests.
func TestOCSPFromStrangers(t *testing.T) {
	t.Parallel()
	h := newOCSPHouse(t)
	issuer := h.h.authority.Issuers()[0].Certificate
	request, err := ocsp.CreateRequest(h.identity.Leaf, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
	must(t, err)
	slashes := withSlashes(t, request)
	text := base64.StdEncoding.EncodeToString(slashes)
	unknown := bytes.Clone(request)
	unknown[len(unknown)-1] ^= 1
	foreign, err := ocsp.CreateRequest(issuer, h.h.authority.Root(), nil)
	must(t, err)
	const kind = "application/ocsp-request"
	for name, test := range map[string]struct {
		method, path, kind string
		body               []byte
		want               string // a status of the certificate, an OCSP error, or a status of HTTP
	}{
		"POST":                      {"POST", "/ocsp", kind, request, "good"},
		"POST with a slash":         {"POST", "/ocsp/", kind, request, "good"},
		"GET":                       {"GET", "/ocsp/" + base64.StdEncoding.EncodeToString(request), "", nil, "good"},
		"GET with // in it":         {"GET", "/ocsp/" + text, "", nil, "good"},
		"GET with // before it":     {"GET", "/ocsp//" + text, "", nil, "good"},
		"GET, escaped":              {"GET", "/ocsp/" + url.QueryEscape(text), "", nil, "good"},
		"GET, escaped twice":        {"GET", "/ocsp/" + url.QueryEscape(url.QueryEscape(text)), "", nil, "good"},
		"GET, escaped three times":  {"GET", "/ocsp/" + url.QueryEscape(url.QueryEscape(url.QueryEscape(text))), "", nil, "malformed"},
		"GET, no base64":            {"GET", "/ocsp/*not*base64*", "", nil, "malformed"},
		"GET, cut base64":           {"GET", "/ocsp/" + text[:len(text)/2], "", nil, "malformed"},
		"GET, dots":                 {"GET", "/ocsp/../pki/root.pem", "", nil, "malformed"},
		"GET, nothing":              {"GET", "/ocsp", "", nil, "malformed"},
		"GET, oversized":            {"GET", "/ocsp/" + strings.Repeat("MIIB", 5000), "", nil, "malformed"},
		"GET, far oversized":        {"GET", "/ocsp/" + strings.Repeat("MIIB", 50_000), "", nil, "431"},
		"POST, malformed":           {"POST", "/ocsp", kind, []byte("good morning"), "malformed"},
		"POST, empty":               {"POST", "/ocsp", kind, nil, "malformed"},
		"POST, cut":                 {"POST", "/ocsp", kind, request[:20], "malformed"},
		"POST, oversized":           {"POST", "/ocsp", kind, append(bytes.Clone(request), make([]byte, 20_000)...), "malformed"},
		"POST, far oversized":       {"POST", "/ocsp", kind, make([]byte, 3<<20), "malformed"},
		"POST of another kind":      {"POST", "/ocsp", "text/plain", request, "415"},
		"POST of no kind":           {"POST", "/ocsp", "", request, "415"},
		"POST in base64":            {"POST", "/ocsp", kind, []byte(text), "malformed"},
		"unknown serial number":     {"POST", "/ocsp", kind, unknown, "unknown"},
		"wrong issuer":              {"POST", "/ocsp", kind, foreign, "unauthorized"},
		"HEAD":                      {"HEAD", "/ocsp/" + text, "", nil, "200"},
		"PUT":                       {"PUT", "/ocsp", kind, request, "405"},
		"path that only looks like": {"GET", "/ocspx/" + text, "", nil, "404"},
	} {
		got := h.ocspAsk(t, test.method, test.path, test.kind, test.body)
		if said := h.said(got); said != test.want {
			t.Errorf("%s: %s, want %s", name, said, test.want)
		}
		if test.want == "431" {
			continue // net/http itself hung up
		}
		kept := test.want == "good" || test.want == "200" // HEAD of the good one
		if kept == (got.header.Get("Cache-Control") == "no-store") || kept != (got.header.Get("Etag") != "") {
			t.Errorf("%s: Cache-Control is %q, ETag %q", name, got.header.Get("Cache-Control"), got.header.Get("Etag"))
		}
	}
	h.checkCaching(t, "/ocsp/"+text)
	h.askAtOnce(t, request)
}

// said reads what the answer says in OCSP, or else in HTTP.
func (h ocspHouse) said(a ocspAnswer) string {
	if a.header.Get("Content-Type") != "application/ocsp-response" || len(a.body) == 0 {
		return strconv.Itoa(a.status)
	}
	r, err := ocsp.ParseResponse(a.body, h.h.authority.Issuers()[0].Certificate)
	if e, ok := err.(ocsp.ResponseError); ok {
		return e.Status.String()
	}
	if err != nil {
		return err.Error()
	}
	return map[int]string{ocsp.Good: "good", ocsp.Revoked: "revoked", ocsp.Unknown: "unknown"}[r.Status]
}

// checkCaching compares the headers with RFC 5019, section 6.2: they say what the answer does.
func (h ocspHouse) checkCaching(t *testing.T, path string) {
	t.Helper()
	got := h.ocspAsk(t, http.MethodGet, path, "", nil)
	answer, err := ocsp.ParseResponse(got.body, h.h.authority.Issuers()[0].Certificate)
	must(t, err)
	for header, want := range map[string]time.Time{"Last-Modified": answer.ProducedAt, "Expires": answer.NextUpdate} {
		if at, err := http.ParseTime(got.header.Get(header)); err != nil || !at.Equal(want) {
			t.Errorf("%s is %q, want %v", header, got.header.Get(header), want)
		}
	}
	var age int
	if _, err := fmt.Sscanf(got.header.Get("Cache-Control"), "max-age=%d, public, no-transform, must-revalidate", &age); err != nil {
		t.Errorf("Cache-Control is %q: %v", got.header.Get("Cache-Control"), err)
	}
	date, err := http.ParseTime(got.header.Get("Date"))
	must(t, err)
	if end := date.Add(time.Duration(age) * time.Second); end.After(answer.NextUpdate.Add(time.Second)) {
		t.Errorf("a cache may keep it until %v, and it ends at %v", end, answer.NextUpdate)
	}
}

// askAtOnce has many clients ask, each on a connection of its own.
func (h ocspHouse) askAtOnce(t *testing.T, request []byte) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			mine := bytes.Clone(request)
			want := "good"
			if i%3 == 0 { // a serial number of its own, which is not known
				copy(mine[len(mine)-8:], issuance.NewSerial())
				want = "unknown"
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			r, err := client.Post(h.h.cfg.Plain.URL+"/ocsp", "application/ocsp-request", bytes.NewReader(mine))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			der, err := io.ReadAll(r.Body)
			if got := h.said(ocspAnswer{r.StatusCode, r.Header, der}); err != nil || got != want {
				t.Errorf("one of many was answered %s (%v), want %s", got, err, want)
			}
		})
	}
	all.Wait()
}

// TestSilentConnectionsEnd opens connections to the plain listener as it is
// configured, and says nothing, or rubbish.
func TestSilentConnectionsEnd(t *testing.T) {
	t.Parallel()
	s := newHouseStory(t)
	var all sync.WaitGroup
	for _, says := range []string{"", "\x30\x03\x0a\x01\x00\r\n\r\n", "POST /ocsp HTTP/1.1\r\n"} {
		all.Go(func() {
			conn, err := net.Dial("tcp", s.h.cfg.Plain.Listen)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, says)
			_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
			if _, err := io.ReadAll(conn); err != nil {
				t.Errorf("%q: the connection is kept: %v", says, err)
			}
		})
	}
	all.Wait()
}
