package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// front is a proxy in front of the contacts' site, as docs/proxy.md configures it.
type front struct {
	replace func(*fronted) map[string]string
	start   func(f *fronted, config string)
}

func fronts() map[string]front {
	return map[string]front{
		"nginx": {(*fronted).nginxPaths, func(f *fronted, config string) { f.nginx(config) }},
		"haproxy": {(*fronted).haproxyPaths, func(f *fronted, config string) {
			f.collectLogs()
			f.haproxy(config)
		}},
		"caddy": {(*fronted).caddyPaths, (*fronted).caddy},
	}
}

// fronted is a house behind a proxy at frontier's address, which serves the plain
// listener at pki.
type fronted struct {
	*frontier
	pki string
}

// newFronted opens a house that is configured as the page says.
func newFronted(t *testing.T) *fronted {
	t.Helper()
	var said config.Config
	must(t, yaml.Unmarshal([]byte(pageBlock(t, "../../docs/proxy.md", "postern")), &said))
	if !said.Public.TLS.Proxy || len(said.Public.TrustedProxies) == 0 {
		t.Fatal("the page configures no proxy")
	}
	var ports [2]int
	for i := range ports {
		var err error
		ports[i], err = freePort(0)
		must(t, err)
	}
	s := newHouseStory(t, func(c *config.Config) {
		c.Public.URL = fmt.Sprintf("https://certs.example.com:%d", ports[0])
		c.Public.TLS, c.Public.TrustedProxies, c.Public.PostsBurst = said.Public.TLS, said.Public.TrustedProxies, 6
	})
	f := &fronted{&frontier{story: s, t: t, dir: t.TempDir(), address: fmt.Sprintf("127.0.0.1:%d", ports[0])}, fmt.Sprintf("127.0.0.1:%d", ports[1])}
	must(t, os.Chmod(f.dir, 0o755))
	f.serverKeys()
	f.client = f.contact("127.0.0.2")
	return f
}

// contact returns a browser at an address of this computer, for which the public
// name leads to the proxy.
func (f *fronted) contact(from string) *http.Client {
	jar, err := cookiejar.New(nil)
	must(f.t, err)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	// A browser sends no Referer after the redirect, as the answer asks it to.
	asBrowser := func(r *http.Request, _ []*http.Request) error { r.Header.Del("Referer"); return nil }
	return &http.Client{Timeout: 30 * time.Second, Jar: jar, CheckRedirect: asBrowser, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the proxy's certificate is not what is tested
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "certs.example.com:") {
				address = f.address
			}
			return dialer.DialContext(ctx, network, address)
		},
	}}
}

// pageBlock returns a named block of a page.
func pageBlock(t testing.TB, page, name string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	must(t, err)
	block := regexp.MustCompile("(?ms)^```[a-z]+ name=" + regexp.QuoteMeta(name) + "$\n(.*?)^```$").FindSubmatch(text)
	if block == nil {
		t.Fatalf("%s has no block %q", page, name)
	}
	return string(block[1])
}

func (f *fronted) public() string { return f.h.listeners.public.Addr().String() }
func (f *fronted) plain() string  { return f.h.listeners.plain.Addr().String() }

func (f *fronted) nginxPaths() map[string]string {
	return map[string]string{
		"listen 443 ssl": "listen " + f.address + " ssl", "listen 80": "listen " + f.pki,
		"server_name pki.example.com": "server_name localhost", "/var/log/nginx/certs.log": f.path("certs.log"),
		"/etc/nginx/tls/certs.example.com.pem": f.path("server.pem"), "/etc/nginx/tls/certs.example.com.key": f.path("server.key"),
		"127.0.0.1:8443": f.public(), "127.0.0.1:8080": f.plain(),
	}
}

func (f *fronted) haproxyPaths() map[string]string {
	return map[string]string{
		"bind :443 ": "bind " + f.address + " ", "bind :80": "bind " + f.pki, "/etc/haproxy/tls/certs.example.com.pem": f.path("both.pem"),
		"/dev/log": f.path("log.sock"), "127.0.0.1:8443": f.public(), "127.0.0.1:8080": f.plain(),
	}
}

func (f *fronted) caddyPaths() map[string]string {
	return map[string]string{
		"{\n\t# Links are": "{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system " + f.path("caddy") + "\n\t# Links are",
		"certs.example.com {\n": "https://certs.example.com:" + f.port() + " {\n\tbind 127.0.0.1\n\ttls " +
			f.path("server.pem") + " " + f.path("server.key") + "\n",
		"http://pki.example.com {": "http://" + f.pki + " {\n\tbind 127.0.0.1", "127.0.0.1:8443": f.public(), "127.0.0.1:8080": f.plain(),
	}
}

func (f *fronted) caddy(config string) {
	f.keep("Caddyfile", []byte(config))
	f.start("caddy", "run", "--config", f.path("Caddyfile"), "--adapter", "caddyfile")
}

// collectLogs takes what a server writes to the system's log.
func (f *fronted) collectLogs() {
	socket, err := net.ListenPacket("unixgram", f.path("log.sock"))
	must(f.t, err)
	must(f.t, os.Chmod(f.path("log.sock"), 0o777))
	file, err := os.Create(f.path("collected.log"))
	must(f.t, err)
	f.t.Cleanup(func() { socket.Close(); file.Close() })
	go func() {
		line := make([]byte, 8<<10)
		for {
			n, _, err := socket.ReadFrom(line)
			if err != nil {
				return
			}
			_, _ = file.Write(append(line[:n], '\n'))
		}
	}()
}

// TestProxiesBeforeTheContactsSite runs each proxy with the page's configuration.
func TestProxiesBeforeTheContactsSite(t *testing.T) {
	t.Parallel()
	for name, front := range fronts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFronted(t)
			block := pageBlock(t, "../../docs/proxy.md", name)
			for from, to := range front.replace(f) {
				if !strings.Contains(block, from) {
					t.Errorf("the page has no %q", from)
				}
				block = strings.ReplaceAll(block, from, to)
			}
			front.start(f, block)
			f.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode)
			f.browse()
			f.steps(t, (*story).tryWrongCode, (*story).download, (*story).readPassword, (*story).openFile)
			f.fetchCRLs()
			f.askOCSP()
			f.flood()
			f.unlogged()
		})
	}
}

// browse opens the link as a browser does, to the page that asks for the code.
func (f *fronted) browse() {
	f.t.Helper()
	answer, err := f.client.Get(f.link)
	must(f.t, err)
	defer answer.Body.Close()
	var page bytes.Buffer
	_, err = page.ReadFrom(answer.Body)
	must(f.t, err)
	if got, want := answer.Request.URL.String(), f.h.cfg.Public.URL+"/claim"; answer.StatusCode != http.StatusOK || got != want || !strings.Contains(page.String(), `name="code"`) {
		f.t.Errorf("the link leads to %s with status %d, want %s with a field for the code", got, answer.StatusCode, want)
	}
	if got := answer.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		f.t.Errorf("Strict-Transport-Security is %q", got)
	}
	u, err := url.Parse(f.h.cfg.Public.URL)
	must(f.t, err)
	if len(f.client.Jar.Cookies(u)) == 0 {
		f.t.Error("the browser keeps no cookie")
	}
}

func (f *fronted) fetchCRLs() {
	f.t.Helper()
	answer := f.from("/pki/crl-bundle.pem")
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("ETag") == "" {
		f.t.Errorf("the CRLs: status %d, %v", answer.StatusCode, answer.Header)
	}
}

// askOCSP asks by GET, with what a proxy may take for a path to clean.
func (f *fronted) askOCSP() {
	f.t.Helper()
	issuer := f.h.authority.Issuers()[0].Certificate
	request, err := ocsp.CreateRequest(f.identity.Leaf, issuer, nil)
	must(f.t, err)
	text := base64.StdEncoding.EncodeToString(withSlashes(f.t.(*testing.T), request))
	for how, path := range map[string]string{"as it is": text, "escaped": url.PathEscape(text)} {
		answer := f.from("/ocsp/" + path)
		var der bytes.Buffer
		_, err := der.ReadFrom(answer.Body)
		answer.Body.Close()
		must(f.t, err)
		if r, err := ocsp.ParseResponse(der.Bytes(), issuer); err != nil || r.Status != ocsp.Good {
			f.t.Errorf("OCSP by GET, %s: status %d, %v", how, answer.StatusCode, err)
		}
	}
}

// from gets a path of the plain listener through the proxy.
func (f *fronted) from(path string) *http.Response {
	f.t.Helper()
	answer, err := http.Get("http://" + f.pki + path)
	must(f.t, err)
	return answer
}

// flood sends more than one address may, each time as if for another client: who
// does that is limited, and nobody else.
func (f *fronted) flood() {
	f.t.Helper()
	post := func(client *http.Client, forged string) int {
		r, err := http.NewRequest(http.MethodPost, f.link+"/code", nil)
		must(f.t, err)
		r.Header.Set("X-Forwarded-For", forged)
		answer, err := client.Do(r)
		must(f.t, err)
		answer.Body.Close()
		return answer.StatusCode
	}
	stranger := f.contact("127.0.0.3")
	limited := false
	for i := range 40 {
		limited = limited || post(stranger, fmt.Sprintf("203.0.113.%d", i)) == http.StatusTooManyRequests
	}
	if !limited {
		f.t.Error("a stranger is not limited")
	}
	// The contact has sent three of six.
	if status := post(f.client, ""); status == http.StatusTooManyRequests {
		f.t.Error("the contact is shut out by a stranger")
	}
}

// unlogged looks for the link's token in all that the proxy has written, after
// requests that succeed and one that does not.
func (f *fronted) unlogged() {
	f.t.Helper()
	must(f.t, f.h.listeners.public.Close())
	answer, err := f.contact("127.0.0.4").Get(f.link)
	must(f.t, err)
	answer.Body.Close()
	if answer.StatusCode < 500 {
		f.t.Errorf("without Postern the proxy answers %d", answer.StatusCode)
	}
	f.from("/pki/root.pem?the-last-line").Body.Close()
	_, token, _ := strings.Cut(f.link, "/c/")
	logged := 0
	must(f.t, filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(token)) {
			f.t.Errorf("%s has the link's token", path)
		}
		logged += len(text)
		return err
	}))
	if logged == 0 {
		f.t.Error("the proxy has written nothing")
	}
}
