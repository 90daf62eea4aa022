package contact

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// raw returns everything a stranger without cookies sees of path, but for the date.
func (d *desk) raw(method, path string) string {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), method, d.server.URL+path, nil)
	if err != nil {
		d.Fatal(err)
	}
	resp, err := d.server.Client().Transport.RoundTrip(r)
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	dump, err := httputil.DumpResponse(resp, true)
	if err != nil {
		d.Fatal(err)
	}
	return string(regexp.MustCompile(`(?m)^Date: .*$`).ReplaceAll(dump, nil))
}

func TestDeadLinksLookTheSame(t *testing.T) {
	d := newDesk(t)
	used, usedLink := d.invite()
	d.browser().get("/c/"+usedLink).post("/claim/verify", "code", d.code(used)).post("/claim/download", "target", "java")
	cancelled, cancelledLink := d.invite()
	if _, err := d.registrar.Cancel(t.Context(), officer(), cancelled, ""); err != nil {
		t.Fatal(err)
	}
	replaced, replacedLink := d.invite()
	if _, err := d.registrar.Resend(t.Context(), officer(), replaced, ""); err != nil {
		t.Fatal(err)
	}
	_, expiredLink := d.invite()
	d.pass(8 * 24 * time.Hour)
	want := d.raw(http.MethodGet, "/c/"+strings.Repeat("x", 43))
	if !strings.Contains(want, "303 See Other") || !strings.Contains(want, "Location: /claim\r\n") || strings.Contains(want, "Set-Cookie") {
		t.Errorf("an unknown link gets:\n%s", want)
	}
	for name, link := range map[string]string{
		"used": usedLink, "cancelled": cancelledLink, "replaced": replacedLink, "expired": expiredLink, "short": "x", "strange": "%20%00", "long": strings.Repeat("y", 5000),
	} {
		if diff := cmp.Diff(want, d.raw(http.MethodGet, "/c/"+link)); diff != "" {
			t.Errorf("a link that is %s differs from one that never was (-never +%s):\n%s", name, name, diff)
		}
	}
}

func TestScannersChangeNothing(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	before := d.everything(id)
	b := d.browser()
	for i := range 200 {
		method := []string{http.MethodGet, http.MethodHead, http.MethodOptions}[i%3]
		for _, path := range []string{"/c/" + link, "/claim", "/claim/status", "/claim/code", "/claim/verify", "/claim/download", "/c/" + link + "/code", "/c/" + link + "/claim"} {
			r, err := http.NewRequestWithContext(t.Context(), method, d.server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			b.do(r)
		}
	}
	if diff := cmp.Diff(before, d.everything(id)); diff != "" {
		t.Errorf("GET, HEAD and OPTIONS changed something:\n%s", diff)
	}
	b.get("/c/" + link).shows("Enter the code")
}

func TestCookies(t *testing.T) {
	d := newDesk(t, withTLS)
	id, link := d.invite()
	got := d.raw(http.MethodGet, "/c/"+link)
	if want := "Set-Cookie: __Host-postern-link=" + link + "; Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax"; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant in it %s", got, want)
	}
	if n := strings.Count(got, "Set-Cookie"); n != 1 {
		t.Errorf("%d cookies are set over TLS, want 1", n)
	}
	b := d.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.get("/c/" + link)
	b.post("/claim/verify", "code", d.code(id))
	want := regexp.MustCompile(`^__Host-postern-session=[0-9a-f]{16}\.[A-Za-z0-9_-]{43}; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax$`)
	cookies := b.header.Values("Set-Cookie")
	if len(cookies) != 2 || !want.MatchString(cookies[1]) {
		t.Errorf("entering the code sets %q", cookies)
	}
}

func TestLinkAgain(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id)).post("/claim/download", "target", "java")
	waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
	b.get("/c/" + link).shows("The password is being sent")
	d.browser().get("/c/" + link).shows("This link is not valid")

	// A dead link does not take the browser's other order away, and is not mistaken for it.
	b.get("/c/"+strings.Repeat("z", 43)).shows("This link is not valid", `href="/claim"`)
	b.get("/claim").shows("The password is being sent")
}

func TestTwoTabs(t *testing.T) {
	d := newDesk(t)
	first, firstLink := d.invite()
	second, secondLink := d.invite()
	b := d.browser()
	page := b.get("/c/" + firstLink).body
	b.get("/c/" + secondLink)
	b.body = page // the first tab
	b.post("/claim/verify", "code", d.code(first)).shows("Where will you install")
	if got := d.order(second); got.Attempts != 0 || got.State != issuance.InvitedState {
		t.Errorf("a code for one order was counted against another: %d tries, %s", got.Attempts, got.State)
	}
	if got := d.order(first).State; got != issuance.VerifiedState {
		t.Errorf("the first order is %s, want verified", got)
	}
	b.get("/claim?link="+tag(issuance.NewSecret([]byte(secondLink)))).post("/claim/verify", "code", d.code(second)).shows("Where will you install")
	b.get("/claim?link=" + tag(issuance.NewSecret([]byte(firstLink)))).shows("Where will you install")
}

func TestJarIsBounded(t *testing.T) {
	d := newDesk(t)
	b := d.browser()
	var last string
	for range 6 {
		_, last = d.invite()
		b.get("/c/" + last)
	}
	home, err := url.Parse(d.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(home) {
		if c.Name == linkCookie && (strings.Count(c.Value, "~") != maxPasses-1 || !strings.HasPrefix(c.Value, last)) {
			t.Errorf("the cookie has %d bytes", len(c.Value))
		}
	}
	for _, rubbish := range []string{"~~~", "a.b.c", "=;", strings.Repeat("q", 4000), strings.Repeat("q~", 500), "%22"} {
		for _, name := range []string{"__Host-" + linkCookie, "__Host-" + sessionCookie, "__Host-" + flashCookie, linkCookie} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.server.URL+"/claim", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", name+"="+rubbish)
			if got := d.browser().do(r).status; got != http.StatusNotFound {
				t.Errorf("cookie %s=%.20q gets status %d, want 404", name, rubbish, got)
			}
		}
	}
}

func TestTokenLeavesNoTrace(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	code := d.code(id)
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.wrong(id)).post("/claim/verify", "code", code).post("/claim/download", "target", "java")
	waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
	password := d.texts()
	b.get("/claim").get("/claim/status")
	for name, secret := range map[string]string{"link": link, "code": code, "password": password} {
		if strings.Contains(d.log.String(), secret) {
			t.Errorf("the %s is in the log:\n%s", name, d.log)
		}
		if strings.Contains(b.body, secret) {
			t.Errorf("the %s is in the page", name)
		}
	}
}
