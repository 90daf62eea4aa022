package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"testing"
	"time"
)

// crlServer is a server that reads a CRL from a file, as its page says.
type crlServer struct {
	page    string
	replace func(*frontier) map[string]string
	// start runs it with a configuration and returns the command that tells it of a new CRL.
	start func(f *frontier, config string) (reload string)
	// undone is what takes a defence against resumption out of the configuration.
	undone map[string]string
	// greets says that the server is the application, too, and calls clients by name.
	greets bool
	// resumes says that sessions may be resumed, because that is safe here.
	resumes bool
	// lenient says that a certificate without extended key usage is let in, which the page owns to.
	lenient bool
	// alone says that the server fetches the CRL itself.
	alone bool
}

func crlServers() map[string]crlServer {
	return map[string]crlServer{
		"nginx": {page: "nginx.md", replace: (*frontier).nginxPaths, start: (*frontier).nginx, lenient: true, undone: map[string]string{
			"ssl_session_cache   off;": "ssl_session_cache shared:SSL:1m;",
			"ssl_session_tickets off;": "ssl_session_tickets on;",
		}},
		"haproxy": {page: "haproxy.md", replace: (*frontier).haproxyPaths, start: (*frontier).haproxy, undone: map[string]string{
			"tune.ssl.cachesize 0": "tune.ssl.cachesize 1000",
		}},
		"apache": {page: "apache.md", replace: (*frontier).apachePaths, start: (*frontier).apache, undone: map[string]string{
			"SSLSessionCache none":      "SSLSessionCache shmcb:sessions(512000)",
			"SSLSessionTickets     off": "SSLSessionTickets on",
		}},
		"go":     {page: "go.md", replace: (*frontier).goPaths, start: (*frontier).goServer, greets: true, resumes: true, alone: true},
		"node":   {page: "node.md", replace: (*frontier).nodePaths, start: (*frontier).node, greets: true},
		"python": {page: "python.md", replace: (*frontier).pythonPaths, start: (*frontier).python, greets: true, resumes: true},
		"java":   {page: "java.md", replace: (*frontier).javaPaths, start: (*frontier).java, greets: true, resumes: true},
	}
}

func (f *frontier) commonPaths(more map[string]string) map[string]string {
	more["/etc/postern/chain.pem"] = f.path("chain.pem")
	more["/var/lib/postern-crl-sync/crl-bundle.pem"] = f.path("crl-bundle.pem")
	return more
}

func (f *frontier) nginxPaths() map[string]string {
	return f.commonPaths(map[string]string{
		"listen 443 ssl":                     "listen " + f.address + " ssl",
		"/etc/nginx/tls/api.example.com.pem": f.path("server.pem"),
		"/etc/nginx/tls/api.example.com.key": f.path("server.key"),
		"http://127.0.0.1:8000":              f.application.URL,
	})
}

// nginx runs nginx with what would stand in conf.d.
func (f *frontier) nginx(config string) string {
	f.t.Helper()
	f.keep("nginx.conf", []byte(`daemon off; worker_processes 2; error_log stderr; pid nginx.pid; user `+runsAs(f.t)+`;
events {}
http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
`+config+"}\n"))
	conf := []string{"-p", f.dir, "-c", f.path("nginx.conf")}
	f.run("nginx", append(conf, "-t")...)
	f.start("nginx", conf...)
	return "nginx " + strings.Join(conf, " ") + " -s reload"
}

// runsAs returns the user of this process: servers that are started by root would
// give up reading what the test has written.
func runsAs(t testing.TB) string {
	t.Helper()
	u, err := user.Current()
	must(t, err)
	return u.Username
}

func (f *frontier) haproxyPaths() map[string]string {
	return f.commonPaths(map[string]string{
		"bind :443 ":                           "bind " + f.address + " ",
		"/etc/haproxy/tls/api.example.com.pem": f.path("both.pem"),
		"127.0.0.1:8000":                       strings.TrimPrefix(f.application.URL, "http://"),
	})
}

// haproxy runs HAProxy as systemd does: a master that starts a new worker at a reload.
func (f *frontier) haproxy(config string) string {
	f.t.Helper()
	f.keep("haproxy.cfg", []byte(config))
	f.run("haproxy", "-c", "-f", f.path("haproxy.cfg"))
	p := f.start("haproxy", "-Ws", "-f", f.path("haproxy.cfg"))
	return fmt.Sprintf("kill -USR2 %d", p.cmd.Process.Pid)
}

func (f *frontier) apachePaths() map[string]string {
	return f.commonPaths(map[string]string{
		"*:443":                                f.address,
		"/etc/apache2/tls/api.example.com.pem": f.path("server.pem"),
		"/etc/apache2/tls/api.example.com.key": f.path("server.key"),
		"http://127.0.0.1:8000/":               f.application.URL + "/",
	})
}

// apache runs Apache httpd with what would stand in sites-enabled.
func (f *frontier) apache(config string) string {
	f.t.Helper()
	var head strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "ssl", "socache_shmcb", "headers", "proxy", "proxy_http"} {
		fmt.Fprintf(&head, "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	fmt.Fprintf(&head, "ServerName api.example.com\nServerRoot %s\nDefaultRuntimeDir %[1]s\nPidFile %[1]s/apache.pid\nErrorLog %[1]s/apache.log\nListen %s\n", f.dir, f.address)
	if os.Geteuid() == 0 {
		head.WriteString("User www-data\nGroup www-data\n")
	}
	f.keep("apache.conf", []byte(head.String()+config))
	conf := []string{"-f", f.path("apache.conf")}
	f.run("apache2", append(conf, "-t")...)
	f.start("apache2", append(conf, "-D", "FOREGROUND")...)
	return "apache2 " + strings.Join(conf, " ") + " -k graceful"
}

func (f *frontier) port() string {
	_, port, err := net.SplitHostPort(f.address)
	must(f.t, err)
	return port
}

// applicationPaths are those of a server that is the application itself.
func (f *frontier) applicationPaths(more map[string]string) map[string]string {
	more["/etc/app/tls/api.example.com.pem"] = f.path("server.pem")
	more["/etc/app/tls/api.example.com.key"] = f.path("server.key")
	return f.commonPaths(more)
}

func (f *frontier) goPaths() map[string]string {
	paths := f.applicationPaths(map[string]string{`":443"`: `"` + f.address + `"`, "http://pki.example.com": f.h.cfg.Plain.URL})
	delete(paths, "/var/lib/postern-crl-sync/crl-bundle.pem")
	return paths
}

func (f *frontier) goServer(source string) string {
	f.t.Helper()
	f.keep("server.go", []byte(source))
	build := exec.Command("go", "build", "-o", f.path("server"), f.path("server.go"))
	if out, err := build.CombinedOutput(); err != nil { // in this directory: the module that the page imports
		f.t.Fatalf("building the page's program: %v\n%s", err, out)
	}
	f.start(f.path("server"))
	return ""
}

func (f *frontier) nodePaths() map[string]string {
	return f.applicationPaths(map[string]string{"listen(443)": "listen(" + f.port() + ")"})
}

func (f *frontier) node(source string) string {
	f.t.Helper()
	f.keep("server.mjs", []byte(source))
	return fmt.Sprintf("kill -HUP %d", f.start("node", f.path("server.mjs")).cmd.Process.Pid)
}

func (f *frontier) pythonPaths() map[string]string {
	return f.applicationPaths(map[string]string{`("0.0.0.0", 443)`: `("127.0.0.1", ` + f.port() + `)`})
}

func (f *frontier) python(source string) string {
	f.t.Helper()
	f.keep("server.py", []byte(source))
	return fmt.Sprintf("kill -HUP %d", f.start("python3", f.path("server.py")).cmd.Process.Pid)
}

func (f *frontier) javaPaths() map[string]string {
	return f.commonPaths(map[string]string{
		"InetSocketAddress(443)": "InetSocketAddress(" + f.port() + ")", "/etc/app/tls/api.example.com.p12": f.path("server.p12"),
	})
}

func (f *frontier) java(source string) string {
	f.t.Helper()
	f.run("openssl", "pkcs12", "-export", "-in", f.path("server.pem"), "-inkey", f.path("server.key"), "-out", f.path("server.p12"), "-passout", "pass:changeit")
	f.keep("Server.java", []byte(source))
	f.start("java", f.path("Server.java"))
	return "" // it sees the file change
}

// samplePayments is the SPIFFE ID of the sample service.
const samplePayments = "spiffe://postern.example/org/acme/service/payments"

// TestServersWithACRL runs each server with its page's configuration.
func TestServersWithACRL(t *testing.T) {
	t.Parallel()
	for name, server := range crlServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFrontier(t)
			f.lenient = server.lenient
			if server.greets {
				f.greeting = "hello, " + samplePayments
			}
			reload := server.start(f, f.page(server.page, "crl", server.replace(f)))
			if !server.alone {
				f.follow(reload)
			}
			if !server.greets {
				f.spoof("Client-Subject", "Client-Serial")
			}
			f.examine(server.resumes)
		})
	}
}

// TestADefenceLessLetsSessionsResume takes each line against resumption out of
// each configuration: then sessions resume, which TestServersWithACRL would find.
func TestADefenceLessLetsSessionsResume(t *testing.T) {
	t.Parallel()
	for name, server := range crlServers() {
		for line, without := range server.undone {
			t.Run(name+"/"+strings.TrimSpace(line), func(t *testing.T) {
				t.Parallel()
				f := newFrontier(t)
				config := f.page(server.page, "crl", server.replace(f))
				if !strings.Contains(config, line) {
					t.Fatalf("the configuration has no %q", line)
				}
				server.start(f, strings.Replace(config, line, without, 1))
				resumed := false
				for name, c := range f.kinds() {
					for range 3 {
						if in, why := c.call(t.Context(), nil); !in {
							t.Fatalf("%s: a valid certificate was refused: %s", name, why)
						}
						resumed = resumed || c.again()
					}
				}
				if !resumed {
					t.Errorf("no session was resumed without %q: the test of the page would not notice that it is gone", line)
				}
			})
		}
	}
}

// TestNginxLetsARevokedClientResumeWithoutTheDefence shows what the lines on the
// page are for: a shared session cache survives a reload, and the CRL is not asked.
func TestNginxLetsARevokedClientResumeWithoutTheDefence(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	server := crlServers()["nginx"]
	config := f.page(server.page, "crl", server.replace(f))
	reload := server.start(f, strings.Replace(config, "ssl_session_cache   off;", server.undone["ssl_session_cache   off;"], 1))
	f.follow(reload)
	old, fresh := f.visitor(&f.identity, tls.VersionTLS13, true), func() *visit { return f.visitor(&f.identity, tls.VersionTLS13, true) }
	if in, why := old.call(t.Context(), nil); !in {
		t.Fatalf("a valid certificate was refused: %s", why)
	}
	f.status("revoke", "keyCompromise")
	f.await("a new session is refused", func() bool { in, _ := fresh().call(t.Context(), nil); return !in })
	if in, _ := old.call(t.Context(), nil); !in || !old.resumed {
		t.Errorf("the revoked client that resumed was let in: %v, resumed: %v; is the line on the page still needed?", in, old.resumed)
	}
}

// await waits until f holds, and returns how long that took.
func (f *frontier) await(what string, holds func() bool) time.Duration {
	f.t.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > 2*time.Minute {
			f.t.Fatalf("%s: not after %s", what, time.Since(begin))
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin)
}

// connecting is a client application of one kind.
type connecting interface {
	call(context.Context, http.Header) (in bool, why string)
	again() bool // the last call resumed a session
}

func (v *visit) again() bool   { return v.resumed }
func (r *resumer) again() bool { return r.resumed }

// kinds returns client applications with the story's certificate: of either
// version of TLS, with a connection that stays open, and with new ones that
// resume if the server lets them.
func (f *frontier) kinds() map[string]connecting {
	return map[string]connecting{
		"TLS 1.2, an open connection":        f.visitor(&f.identity, tls.VersionTLS12, false),
		"TLS 1.2, a ticket":                  f.visitor(&f.identity, tls.VersionTLS12, true),
		"TLS 1.2, a session ID or a ticket":  &resumer{f: f, version: "tls1_2"},
		"TLS 1.3, an open connection":        f.visitor(&f.identity, tls.VersionTLS13, false),
		"TLS 1.3, a ticket":                  f.visitor(&f.identity, tls.VersionTLS13, true),
		"TLS 1.3, a ticket, another library": &resumer{f: f, version: "tls1_3"},
	}
}

// examine is the examination of a server that checks certificates: who is let
// in, on every kind of connection, as the certificate is held, released and revoked.
func (f *frontier) examine(mayResume bool) {
	f.t.Helper()
	kinds := f.kinds()
	each := func(when string, want bool) {
		f.t.Helper()
		for name, k := range kinds {
			in, why := k.call(f.t.Context(), nil)
			if in != want {
				f.t.Errorf("%s, %s: let in %v, want %v (%s)", when, name, in, want, why)
			}
			if k.again() && !mayResume {
				f.t.Errorf("%s, %s: the session was resumed", when, name)
			}
		}
	}
	fresh := func() bool {
		in, _ := f.visitor(&f.identity, tls.VersionTLS13, true).call(f.t.Context(), nil)
		return in
	}
	settled := func(want bool) func() bool {
		return func() bool {
			for _, k := range kinds {
				if in, _ := k.call(f.t.Context(), nil); in != want {
					return false
				}
			}
			return fresh() == want
		}
	}
	each("before", true)
	each("before, again", true)
	f.strangers()
	f.status("hold", "")
	f.await("held: refused", settled(false))
	f.status("release", "")
	f.await("released: let in", settled(true))
	each("released", true)
	f.status("revoke", "keyCompromise")
	first := f.await("revoked: a new connection is refused", func() bool { return !fresh() })
	all := f.await("revoked: every connection is refused", settled(false))
	f.t.Logf("revoked to refused: %v on a new connection, %v on those that were open", first.Round(time.Millisecond), (first + all).Round(time.Millisecond))
	each("revoked", false)
}

// strangers tries every forged certificate.
func (f *frontier) strangers() {
	f.t.Helper()
	for name, identity := range f.forged() {
		for version, number := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
			v := f.visitor(identity, number, true)
			for range 2 { // the second may resume what the first was given
				if in, _ := v.call(f.t.Context(), nil); in != (f.lenient && name == withoutUsage) {
					f.t.Errorf("%s, %s: let in: %v", name, version, in)
				}
			}
		}
	}
}

// follow keeps the CRL bundle fresh with the program that is made for it.
func (f *frontier) follow(reload string) {
	f.t.Helper()
	args := []string{"crl-sync", "--url", f.h.cfg.Plain.URL + "/pki/crl-bundle.pem", "--ca", f.path("root.pem"), "--out", f.path("crl-bundle.pem")}
	if reload != "" {
		args = append(args, "--reload", reload)
	}
	f.begin("postern", args...)
}
