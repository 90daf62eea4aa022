package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// authServer is a server that asks /auth at each request, as its page says.
type authServer struct {
	page    string
	replace func(*frontier) map[string]string
	start   func(f *frontier, config string) (reload string)
	// undone is what takes a defence against a client's own headers out.
	undone map[string]string
}

func authServers() map[string]authServer {
	return map[string]authServer{
		"nginx": {"nginx.md", (*frontier).nginxAuthPaths, (*frontier).nginx, map[string]string{
			"        proxy_set_header Postern-Service      $postern_service;\n": "",
		}},
		"caddy": {"caddy.md", (*frontier).caddyPaths, (*frontier).caddy, nil},
		"haproxy": {"haproxy.md", (*frontier).haproxyAuthPaths, (*frontier).haproxy, map[string]string{
			`    http-request del-header ^postern[-_] -m reg
    http-request set-header Postern-Verified     %[var(txn.postern_verified)]
    http-request set-header Postern-Organization %[var(txn.postern_organization)]
    http-request set-header Postern-Service      %[var(txn.postern_service)]
`: "",
		}},
	}
}

// asPageSays configures the caller of /auth that a page has for postern.yaml.
func asPageSays(t testing.TB, page string) func(*config.Config) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "web-services", page))
	must(t, err)
	block := regexp.MustCompile("(?ms)^```yaml name=caller$\n(.*?)^```$").FindSubmatch(text)
	if block == nil {
		t.Fatalf("%s shows no caller", page)
	}
	var said struct {
		Auth struct {
			Listen  string
			Callers []struct{ Name, Secret, Format string }
		}
	}
	must(t, yaml.Unmarshal(block[1], &said))
	return func(c *config.Config) {
		if said.Auth.Listen != c.Auth.Listen {
			t.Errorf("%s has auth.listen %q, which is not the default", page, said.Auth.Listen)
		}
		c.Auth.Listen, c.Auth.URL = "127.0.0.1:0", "http://127.0.0.1"
		for _, caller := range said.Auth.Callers {
			c.Auth.Callers = append(c.Auth.Callers, config.Caller{Name: caller.Name, Secret: issuance.NewSecret([]byte(caller.Secret)), Format: caller.Format})
		}
	}
}

func (f *frontier) authAddress() string { return f.h.listeners.auth.Addr().String() }

func (f *frontier) nginxAuthPaths() map[string]string {
	paths := f.nginxPaths()
	delete(paths, "/var/lib/postern-crl-sync/crl-bundle.pem")
	paths["127.0.0.1:9444"] = f.authAddress()
	return paths
}

// haproxyAuthPaths also puts the page's Lua program in its place.
func (f *frontier) haproxyAuthPaths() map[string]string {
	paths := f.haproxyPaths()
	delete(paths, "/var/lib/postern-crl-sync/crl-bundle.pem")
	f.keep("postern-auth.lua", []byte(f.page("haproxy.md", "lua", map[string]string{"127.0.0.1:9444": f.authAddress()})))
	paths["/etc/haproxy/postern-auth.lua"] = f.path("postern-auth.lua")
	return paths
}

func (f *frontier) caddyPaths() map[string]string {
	return map[string]string{
		"api.example.com {":                  "https://api.example.com:" + f.port() + " {\n\tbind 127.0.0.1",
		"/etc/caddy/tls/api.example.com.pem": f.path("server.pem"), "/etc/caddy/tls/api.example.com.key": f.path("server.key"),
		"127.0.0.1:9444": f.authAddress(),
		"127.0.0.1:8000": strings.TrimPrefix(f.application.URL, "http://"),
	}
}

func (f *frontier) caddy(config string) string {
	f.t.Helper()
	f.keep("Caddyfile", []byte("{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system "+f.path("caddy")+"\n}\n"+config))
	f.start("caddy", "run", "--config", f.path("Caddyfile"), "--adapter", "caddyfile")
	return ""
}

// toldByAuth are the headers that tell the application who is calling.
func toldByAuth() []string {
	return []string{"Postern-Verified", "Postern-Organization", "Postern-Service", "Postern-Serial", "Postern-Spiffe-Id", "Postern-Environment"}
}

// TestServersThatAsk runs each server with its page's configuration.
func TestServersThatAsk(t *testing.T) {
	t.Parallel()
	for name, server := range authServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFrontier(t, asPageSays(t, server.page))
			server.start(f, f.page(server.page, "auth", server.replace(f)))
			f.spoof(toldByAuth()...)
			f.spoofCertificate()
			f.examine(true)
		})
	}
}

// TestServersThatGetNoAnswerLetNobodyIn runs each server with its page's
// configuration while nobody is where /auth should be.
func TestServersThatGetNoAnswerLetNobodyIn(t *testing.T) {
	t.Parallel()
	for name, server := range authServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFrontier(t, asPageSays(t, server.page))
			server.start(f, f.page(server.page, "auth", server.replace(f)))
			v := f.visitor(&f.identity, tls.VersionTLS13, false)
			if in, why := v.call(t.Context(), nil); !in {
				t.Fatalf("a valid certificate was refused: %s", why)
			}
			must(t, f.h.listeners.auth.Close())
			for range 2 {
				if in, _ := v.call(t.Context(), nil); in {
					t.Error("let in, though nobody was asked")
				}
			}
		})
	}
}

// TestWithoutOverwritingAClientsHeadersArrive takes the defence against a client's
// own headers out of each configuration: then they arrive.
func TestWithoutOverwritingAClientsHeadersArrive(t *testing.T) {
	t.Parallel()
	for name, server := range authServers() {
		for line, without := range server.undone {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newFrontier(t, asPageSays(t, server.page))
				config := f.page(server.page, "auth", server.replace(f))
				if !strings.Contains(config, line) {
					t.Fatalf("the configuration has no %q", line)
				}
				server.start(f, strings.Replace(config, line, without, 1))
				v := f.visitor(&f.identity, tls.VersionTLS13, true)
				if in, why := v.call(t.Context(), http.Header{"Postern-Verified": {"evil"}, "Postern-Service": {"evil"}}); !in {
					t.Fatal(why)
				}
				if saw := <-f.saw; saw.Get("Postern-Service") != "evil" {
					t.Errorf("without %q the application saw %v: the test of the page would not notice that it is gone", line, saw)
				}
			})
		}
	}
}

// spoofCertificate sends the certificate of somebody who is let in, in the headers
// of every proxy, as a client that has none, or a stranger's.
func (f *frontier) spoofCertificate() {
	f.t.Helper()
	forged := f.forged()
	for _, header := range certificateHeaders(f.identity.Certificate[0]) {
		for _, own := range []string{"none", "of a foreign CA"} {
			if in, _ := f.visitor(forged[own], tls.VersionTLS13, true).call(f.t.Context(), header); in {
				f.t.Errorf("a client whose certificate is %q was let in with somebody else's in %v", own, slices.Collect(maps.Keys(header)))
			}
		}
	}
}

// certificateHeaders returns the headers in which proxies pass der on, as they do
// and as a client would try to get past them.
func certificateHeaders(der []byte) (all []http.Header) {
	plain := base64.StdEncoding.EncodeToString(der)
	escaped := url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	for name, value := range map[string]string{
		"X-SSL-Client-Cert": escaped, "X-Ssl-Client-Cert": plain, "X-Forwarded-Client-Cert": `Cert="` + escaped + `"`,
		"X-Forwarded-Tls-Client-Cert": plain, "Client-Cert": ":" + plain + ":",
	} {
		for _, as := range []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_")} {
			all = append(all, http.Header{as: {value}}, http.Header{as: {value, value}}, http.Header{as: {url.QueryEscape(value)}})
		}
	}
	return all
}
