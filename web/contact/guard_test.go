package contact

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/page"
)

func withLimit(l Limit) option {
	return func(_ *desk, _ *issuance.Config, c *Config) { c.Limit = l }
}

func TestLimit(t *testing.T) {
	d := newDesk(t, withLimit(Limit{PerSecond: 0.1, Burst: 3}))
	id, link := d.invite()
	b := d.browser().get("/c/" + link)
	for range 3 {
		b.post("/claim/verify", "code", "1")
	}
	before := d.everything(id)
	form := b.body
	b.post("/claim/verify", "code", d.wrong(id)).shows("Too many requests from your network", "Wait 10 seconds")
	if b.status != http.StatusTooManyRequests || b.header.Get("Retry-After") != "10" {
		t.Errorf("status %d, Retry-After %q, want 429 and 10", b.status, b.header.Get("Retry-After"))
	}
	if b.script(link, "code", d.wrong(id)); b.status != http.StatusTooManyRequests || !strings.HasPrefix(b.header.Get("Content-Type"), "text/plain") {
		t.Errorf("a script gets status %d and %s, want 429 and text", b.status, b.header.Get("Content-Type"))
	}
	if diff := cmp.Diff(before, d.everything(id)); diff != "" {
		t.Errorf("what was limited changed the order:\n%s", diff)
	}
	if b.get("/claim"); b.status != http.StatusOK {
		t.Errorf("a GET is limited: status %d", b.status)
	}
	d.pass(11 * time.Second)
	b.body = form
	b.post("/claim/verify", "code", d.code(id)).shows("Where will you install")
}

// TestLimitBehindAProxy: each client has a limit of its own, also where the proxy
// writes a port behind its address.
func TestLimitBehindAProxy(t *testing.T) {
	d := newDesk(t, withLimit(Limit{PerSecond: 0.1, Burst: 1}), func(_ *desk, _ *issuance.Config, c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	})
	_, link := d.invite()
	b := d.browser()
	post := func(forwarded string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+"/c/"+link+"/claim", strings.NewReader("code=1"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", forwarded)
		b.do(r)
		return b.status
	}
	for _, c := range []struct {
		forwarded string
		limited   bool
	}{
		{"203.0.113.7:40001", false},
		{"203.0.113.7:40002", true}, // another connection of the same client
		{"203.0.113.8:40001", false},
		{"[2001:db8::1]:443", false},
		{"[2001:db8::1]:444", true},
	} {
		if got := post(c.forwarded) == http.StatusTooManyRequests; got != c.limited {
			t.Errorf("%s is limited: %v, want %v", c.forwarded, got, c.limited)
		}
	}
}

func TestForeignForms(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/" + link)
	before := d.everything(id)
	for name, header := range map[string]map[string]string{
		"cross-site": {"Sec-Fetch-Site": "cross-site"},
		"same-site":  {"Sec-Fetch-Site": "same-site"},
		"origin":     {"Origin": "https://evil.example"},
		"null":       {"Origin": "null"},
	} {
		for _, path := range []string{"/claim/code", "/claim/verify", "/claim/download", "/c/" + link + "/code", "/c/" + link + "/claim"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+path, strings.NewReader("code="+d.code(id)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for k, v := range header {
				r.Header.Set(k, v)
			}
			if b.do(r); b.status != http.StatusForbidden {
				t.Errorf("%s to %s: status %d, want 403", name, path, b.status)
			}
		}
	}
	b.shows("This request did not come from our page")
	if diff := cmp.Diff(before, d.everything(id)); diff != "" {
		t.Errorf("another site's form changed something:\n%s", diff)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+"/claim/verify", strings.NewReader("code="+d.code(id)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", d.server.URL)
	home, err := url.Parse(d.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(home) {
		r.AddCookie(c)
	}
	r.Host = "backend.internal" // behind a proxy that does not pass Host on
	if _, err := d.server.Client().Transport.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if got := d.order(id).State; got != issuance.VerifiedState {
		t.Errorf("our own form behind a proxy left the order %s", got)
	}
}

func TestHeaders(t *testing.T) {
	d := newDesk(t)
	_, link := d.invite()
	for _, path := range []string{"/c/" + link, "/claim", "/claim/status", "/nowhere", "/claim/verify"} {
		h := d.raw(http.MethodGet, path)
		for _, want := range []string{
			"Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n",
			"X-Content-Type-Options: nosniff\r\n", "Cache-Control: no-store\r\n",
		} {
			if !strings.Contains(h, want) {
				t.Errorf("%s has no %q", path, want)
			}
		}
	}
	b := d.browser().get("/c/" + link)
	for _, inline := range []string{"style=", "<style", "onclick", "<script>", "http://", "https://"} {
		if strings.Contains(b.body, inline) {
			t.Errorf("the page has %s in it, which its own policy refuses", inline)
		}
	}
}

func TestBadInput(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id))
	big := strings.Repeat("A", 1<<20)
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	part, err := m.CreateFormFile("csr", "big.csr")
	if err != nil {
		t.Fatal(err)
	}
	part.Write([]byte(big))
	m.Close()
	for _, c := range []struct {
		name, method, path, mediaType, body string
		want                                int
	}{
		{"1 MB code", "POST", "/claim/verify", "", "code=" + big, 413},
		{"1 MB code of a script", "POST", "/c/" + link + "/claim", "", "code=" + big, 413},
		{"1 MB CSR", "POST", "/c/" + link + "/claim", "", "csr=" + big, 413},
		{"1 MB CSR file", "POST", "/c/" + link + "/claim", m.FormDataContentType(), form.String(), 413},
		{"cut multipart", "POST", "/c/" + link + "/claim", m.FormDataContentType(), form.String()[:300], 422},
		{"no boundary", "POST", "/c/" + link + "/claim", "multipart/form-data", "x", 422},
		{"bad escape", "POST", "/c/" + link + "/claim", "", "code=%zz", 422},
		{"no code", "POST", "/c/" + link + "/claim", "", "", 422},
		{"code in the address", "POST", "/c/" + link + "/claim?code=" + d.code(id), "", "", 422},
		{"JSON", "POST", "/c/" + link + "/claim", "application/json", `{"code":"` + d.code(id) + `"}`, 422},
		{"NUL", "POST", "/c/" + link + "/claim", "", "code=%00%00%00%00%00%00%00%00", 422},
		{"right-to-left", "POST", "/c/" + link + "/claim", "", "code=" + url.QueryEscape("\u202e12345678"), 422},
		{"PUT", "PUT", "/claim", "", "", 405},
		{"DELETE", "DELETE", "/c/" + link, "", "", 405},
		{"GET of a verb", "GET", "/claim/verify", "", "", 405},
		{"no page", "GET", "/c/", "", "", 404},
		{"no page below", "GET", "/c/" + link + "/x", "", "", 404},
		{"no asset", "GET", "/assets/../site.go", "", "", 404},
		{"root", "GET", "/", "", "", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, d.server.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.mediaType == "" {
			c.mediaType = "application/x-www-form-urlencoded"
		}
		r.Header.Set("Content-Type", c.mediaType)
		if got := d.browser().do(r); got.status != c.want {
			t.Errorf("%s: status %d, want %d: %.200s", c.name, got.status, c.want, got.body)
		}
	}
	if got := d.order(id); got.State != issuance.VerifiedState || got.Attempts != 0 {
		t.Errorf("bad input left the order %s with %d tries", got.State, got.Attempts)
	}
}

func TestBelowAPath(t *testing.T) {
	d := newDesk(t, func(d *desk, _ *issuance.Config, c *Config) {
		var err error
		if c.Site, err = page.New(page.Brand{}, "/certs/"); err != nil {
			d.Fatal(err)
		}
		c.PublicURL.Path = "/certs"
	})
	id, link := d.invite()
	b := d.browser().get("/certs/c/"+link).shows(`action="/certs/claim/verify"`, `href="/certs/assets/page.css`)
	b.post("/certs/claim/verify", "code", d.code(id)).shows("Where will you install")
	b.get("/certs/assets/page.css").shows("--brand")
	b.get("/assets/page.css").shows("--brand") // a proxy took the path away
}
