package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/cmd/postern/config"
)

// TestBelowAPath serves contacts below /certs and staff below /office of one host,
// behind an nginx that takes the path away and one that leaves it, and goes the
// whole way of an order: with a browser, with curl, and with postern claim.
func TestBelowAPath(t *testing.T) {
	t.Parallel()
	for name, slash := range map[string]string{"the proxy strips the path": "/", "the proxy leaves the path": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newShared(t, slash)
			f.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode)
			if !strings.HasPrefix(f.link, f.h.cfg.Public.URL+"/c/") {
				t.Fatalf("the mailed link is not below the path: %s", f.link)
			}
			f.opensLink(t)
			f.inABrowser(t)
			f.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode)
			f.byCommand(t)
			f.links(t)
		})
	}
}

// newShared returns a house behind an nginx that it shares with others. What
// nginx passes on ends with slash ("/" takes the path away).
func newShared(t *testing.T, slash string) *frontier {
	t.Helper()
	port, err := freePort(0)
	must(t, err)
	address := "127.0.0.1:" + itoa(float64(port))
	f := &frontier{t: t, dir: t.TempDir(), address: address}
	f.story = newHouseStory(t, func(c *config.Config) {
		c.Public.TLS.Proxy, c.Admin.TLS.Proxy = true, true
		c.Public.URL, c.Admin.URL = "https://"+address+"/certs", "https://"+address+"/office/"
		c.Public.TrustedProxies = []string{"127.0.0.1"}
		c.Brand.SupportEmail, c.Brand.SupportPhone = "help@example.com", "+1 202 555 0100"
	})
	must(t, os.Chmod(f.dir, 0o755))
	f.serverKeys()
	f.nginx(`server { listen ` + address + ` ssl; ssl_certificate ` + f.path("server.pem") + `; ssl_certificate_key ` + f.path("server.key") + `;
proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
location /certs/ { proxy_pass http://` + f.h.listeners.public.Addr().String() + slash + `; }
location /office/ { proxy_pass http://` + f.h.listeners.admin.Addr().String() + slash + `; } }
`)
	pem, err := os.ReadFile(f.path("server.pem"))
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	f.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return f
}

// curl returns the head and body of what is at address, as curl without a cookie sees it.
func (f *frontier) curl(address string, args ...string) string {
	f.t.Helper()
	return f.run("curl", append([]string{"-sS", "-i", "--cacert", f.path("server.pem"), address}, args...)...)
}

// opensLink looks at the redirect and the cookie that the link leads to.
func (f *frontier) opensLink(t *testing.T) {
	t.Helper()
	head := f.curl(f.link)
	for _, want := range []string{`(?im)^Location: /certs/claim\?cookies=check\r$`, `(?im)^Set-Cookie: __Secure-postern-link=[\w-]+; Path=/certs; .*Secure`} {
		if !regexp.MustCompile(want).MatchString(head) {
			t.Errorf("the link is answered without %s:\n%s", want, head)
		}
	}
	if strings.Contains(head, "__Host-") {
		t.Errorf("a cookie goes to the whole host:\n%s", head)
	}
	if head := f.curl(f.h.cfg.Public.URL + "//claim"); !regexp.MustCompile(`(?im)^Location: /certs/claim\r$`).MatchString(head) &&
		!strings.Contains(head, "HTTP/1.1 404") { // nginx may have merged the slashes
		t.Errorf("a doubled slash leads elsewhere:\n%s", head)
	}
	if status := f.curl(f.h.cfg.Public.URL + "/claim/status"); !strings.Contains(status, `{"error":"link"`) {
		t.Errorf("the status of no link is:\n%s", status)
	}
}

// inABrowser goes from the link to the opened file.
func (f *frontier) inABrowser(t *testing.T) {
	t.Helper()
	v := openBrowser(t, chromedp.IgnoreCertErrors)
	v.do("the link", chromedp.Navigate(f.link), chromedp.WaitVisible(`#code`))
	if got, want := v.address(), f.h.cfg.Public.URL+"/claim"; got != want {
		t.Errorf("the link led to %s, want %s", got, want)
	}
	wrong := "00000000"
	if f.code == wrong {
		wrong = "00000001"
	}
	v.do("a wrong code", chromedp.SendKeys(`#code`, wrong), chromedp.Submit(`#verify`), chromedp.WaitVisible(`#code[aria-invalid]`))
	v.do("the right code", chromedp.SetValue(`#code`, f.code), chromedp.Submit(`#verify`), chromedp.WaitVisible(`input[value="java"]`))
	v.do("the download", chromedp.Click(`input[value="java"]`), chromedp.Click(`form[data-download] .go button`))
	v.do("the password texted", chromedp.WaitVisible(`//h1[contains(., "password was sent")]`, chromedp.BySearch)) // the script asked for the status
	f.file = v.downloaded("*.p12")
	_, err := f.readPassword(t.Context())
	must(t, err)
	if _, cert, _, err := pkcs12.DecodeChain(f.file, f.password); err != nil || cert.Subject.CommonName != "payments" {
		t.Errorf("the file does not open: %v", err)
	}
}

// byCommand claims as `postern claim` and staff's commands do.
func (f *frontier) byCommand(t *testing.T) {
	t.Helper()
	var out, problems bytes.Buffer
	environ := []string{"POSTERN_SERVER=" + f.h.cfg.Admin.URL, "POSTERN_TOKEN=" + string(f.token.Reveal()), "POSTERN_CA=" + f.path("server.pem")}
	run := func(in string, args ...string) {
		t.Helper()
		if status := cli.Run(t.Context(), cli.Options{Args: args, Environ: environ, In: strings.NewReader(in), Out: &out, Err: &problems}); status != 0 {
			t.Errorf("postern %s: status %d: %s", args[0], status, problems.String())
		}
	}
	run(f.code+"\n", "claim", "--ca", f.path("server.pem"), "--target", "openssl", "--out", f.path("claimed.p12"), f.link)
	if _, err := os.Stat(f.path("claimed.p12")); err != nil {
		t.Error(err)
	}
	run("", "order", "list")
	if !strings.Contains(out.String(), f.order) {
		t.Errorf("the list of orders is:\n%s", out.String())
	}
}

// links follows every address on every page, and what the API says of itself.
func (f *frontier) links(t *testing.T) {
	t.Helper()
	pages := map[string]string{"/certs/": "help@example.com", "/certs/pki/": "root.mobileconfig", "/certs/nothing": "<title>", "/office/": "/office/api/v1/openapi.json", "/office/outbox": "article"}
	address := regexp.MustCompile(`(?:href|src|action|data-page|data-status)="(/[^"]*)"`)
	for page, shows := range pages {
		body := f.curl("https://" + f.address + page)
		if !strings.Contains(body, shows) {
			t.Errorf("%s does not show %q:\n%s", page, shows, body)
		}
		for _, link := range address.FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(link[1], page[:strings.Index(page[1:], "/")+2]) {
				t.Errorf("%s leads away from its site, to %s", page, link[1])
			}
			if head := f.curl("https://"+f.address+link[1], "--head"); !strings.HasPrefix(head, "HTTP/1.1 200") {
				t.Errorf("%s on %s is answered with %s", link[1], page, firstLine([]byte(head)))
			}
		}
	}
	if head := f.curl(f.h.cfg.Public.URL + "/pki"); !regexp.MustCompile(`(?im)^Location: /certs/pki/\r$`).MatchString(head) {
		t.Errorf("/pki leads to:\n%s", head)
	}
	if doc := f.curl(f.h.cfg.Admin.URL + "/api/v1/openapi.json"); !strings.Contains(doc, `"url": "/office/api/v1"`) {
		t.Errorf("the API's document names another place than its own: %.600s", doc)
	}
	made := f.curl(f.h.cfg.Admin.URL+"/api/v1/organizations", "-H", "Authorization: Bearer "+string(f.token.Reveal()), "--json", `{"id":"below","name":"Below Ltd"}`)
	if !regexp.MustCompile(`(?im)^Location: /office/api/v1/organizations/below\r$`).MatchString(made) {
		t.Errorf("what was made is said to be elsewhere:\n%s", made)
	}
	answer, err := http.Get(f.h.cfg.Plain.URL + "/pki/")
	must(t, err)
	defer answer.Body.Close()
	plain, err := io.ReadAll(answer.Body)
	must(t, err)
	if bytes.Contains(plain, []byte("/certs/")) || !bytes.Contains(plain, []byte(`href="/pki/root.pem"`)) {
		t.Errorf("the plain listener's page leads below a path that it does not have:\n%s", plain)
	}
}
