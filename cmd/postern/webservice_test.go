package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// frontier is a house and, on its other side, a web service behind a server that
// is configured as a page of docs/web-services says. The pages themselves are
// read: what is tested is what people copy.
type frontier struct {
	*story
	t       testing.TB
	dir     string
	address string // of the server that checks certificates
	// application is what stands behind it, and what it saw of the last request.
	application *httptest.Server
	saw         chan http.Header
	greeting    string   // what only a request that was let in is answered with
	last        *program // that was started as a server
	lenient     bool     // a certificate without extended key usage is let in
}

func newFrontier(t testing.TB, changes ...func(*config.Config)) *frontier {
	t.Helper()
	f := &frontier{story: newHouseStory(t, changes...), t: t, dir: t.TempDir(), saw: make(chan http.Header, 1), greeting: applicationSays}
	must(t, os.Chmod(f.dir, 0o755)) // some servers read as another user
	f.steps(t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode, (*story).download, (*story).readPassword, (*story).openFile)
	f.application = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-f.saw:
		default:
		}
		f.saw <- r.Header.Clone()
		_, _ = io.WriteString(w, applicationSays)
	}))
	t.Cleanup(f.application.Close)
	port, err := freePort(0)
	must(t, err)
	f.address = fmt.Sprintf("127.0.0.1:%d", port)
	f.keep("chain.pem", f.get("/pki/chain.pem"))
	f.keep("root.pem", f.get("/pki/root.pem"))
	f.keep("crl-bundle.pem", f.get("/pki/crl-bundle.pem"))
	f.serverKeys()
	var chain []byte
	for _, der := range f.identity.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(f.identity.PrivateKey)
	must(t, err)
	f.keep("client.pem", chain)
	f.keep("client.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return f
}

// applicationSays is what the application behind a server answers.
const applicationSays = "the application behind"

// get returns what the trust site has under path.
func (f *frontier) get(path string) []byte {
	f.t.Helper()
	status, _, body, err := f.do(f.t.Context(), http.DefaultClient, http.MethodGet, f.h.cfg.Plain.URL+path, "", nil)
	must(f.t, err)
	if status != http.StatusOK {
		f.t.Fatalf("%s was answered with %d", path, status)
	}
	return body
}

func (f *frontier) path(name string) string { return filepath.Join(f.dir, name) }

// keep writes a file, as a whole or not at all.
func (f *frontier) keep(name string, content []byte) {
	f.t.Helper()
	must(f.t, os.WriteFile(f.path(name+".new"), content, 0o644))
	must(f.t, os.Rename(f.path(name+".new"), f.path(name)))
}

// serverKeys makes the certificate of the server itself, of a CA of its own.
func (f *frontier) serverKeys() {
	f.t.Helper()
	key := newKey(f.t)
	template := leafTemplate(f.t, "api.example.com")
	template.DNSNames, template.IPAddresses = []string{"api.example.com"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	must(f.t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(f.t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	f.keep("server.pem", certificate)
	f.keep("server.key", private)
	f.keep("both.pem", append(certificate, private...))
}

// page returns the block called name of a page of docs/web-services, with each
// of the words that stand for places of the reader's replaced.
func (f *frontier) page(page, name string, replace map[string]string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "web-services", page))
	must(f.t, err)
	block := regexp.MustCompile("(?ms)^```[a-z]+ name=" + regexp.QuoteMeta(name) + "$\n(.*?)^```$").FindSubmatch(text)
	if block == nil {
		f.t.Fatalf("%s has no block %q", page, name)
	}
	out := string(block[1])
	// The longest first: one may be a part of another.
	for _, from := range slices.SortedFunc(maps.Keys(replace), func(a, b string) int { return len(b) - len(a) }) {
		if !strings.Contains(out, from) {
			f.t.Errorf("block %q of %s has no %q to be replaced", name, page, from)
		}
		out = strings.ReplaceAll(out, from, replace[from])
	}
	return out
}

// program is a server from outside.
type program struct {
	t    testing.TB
	cmd  *exec.Cmd
	out  string
	done chan struct{}
}

// begin runs a program until the test ends.
func (f *frontier) begin(name string, args ...string) *program {
	f.t.Helper()
	return f.beginIn(nil, name, args...)
}

// beginIn is begin in an environment of its own; nil: in that of the test.
func (f *frontier) beginIn(environment []string, name string, args ...string) *program {
	f.t.Helper()
	p := &program{t: f.t, cmd: exec.Command(name, args...), out: f.path(filepath.Base(name) + ".out"), done: make(chan struct{})}
	out, err := os.Create(p.out)
	must(f.t, err)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir, p.cmd.Env = out, out, f.dir, environment
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(f.t, p.cmd.Start())
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	f.t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(time.Minute):
		}
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		out.Close()
	})
	return p
}

// start runs a server until the test ends, and waits until it takes connections.
func (f *frontier) start(name string, args ...string) *program {
	f.t.Helper()
	p := f.begin(name, args...)
	f.last = p
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.DialTimeout("tcp", f.address, time.Second); err == nil {
			c.Close()
			return p
		}
		select {
		case <-p.done:
			f.t.Fatalf("%s ended: %s", name, p.said())
		default:
		}
		if time.Since(begin) > time.Minute {
			f.t.Fatalf("%s does not listen: %s", name, p.said())
		}
	}
}

func (p *program) said() string {
	said, err := os.ReadFile(p.out)
	must(p.t, err)
	return string(said)
}

// run runs a command that ends.
func (f *frontier) run(name string, args ...string) string {
	f.t.Helper()
	c := exec.Command(name, args...)
	c.Dir = f.dir
	out, err := c.CombinedOutput()
	if err != nil {
		f.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// visit is one client application of a kind, which keeps its sessions.
type visit struct {
	f       *frontier
	client  *http.Client
	resumed bool
}

// visitor returns a client application with identity. A fresh one makes a new
// connection for each call.
func (f *frontier) visitor(identity *tls.Certificate, version uint16, fresh bool) *visit {
	v := &visit{f: f}
	config := &tls.Config{
		InsecureSkipVerify: true, // the server's certificate is not what is tested
		ServerName:         "api.example.com", MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
		VerifyConnection:   func(state tls.ConnectionState) error { v.resumed = state.DidResume; return nil },
	}
	if identity != nil {
		// Sent whatever the server says it wants.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return identity, nil }
	}
	v.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: fresh, TLSClientConfig: config}}
	f.t.Cleanup(v.client.CloseIdleConnections)
	return v
}

// call reports whether the application was reached, and what came instead.
func (v *visit) call(ctx context.Context, header http.Header) (in bool, why string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+v.f.address+"/", nil)
	must(v.f.t, err)
	r.Host = "api.example.com"
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := v.client.Do(r)
	if err != nil {
		return false, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return false, err.Error()
	}
	return string(body) == v.f.greeting, fmt.Sprintf("%d %s", answer.StatusCode, firstLine(body))
}

// status asks the house to hold, release or revoke the story's certificate.
func (f *frontier) status(verb, reason string) {
	f.t.Helper()
	body := map[string]string{}
	if reason != "" {
		body["reason"] = reason
	}
	var c json.RawMessage
	must(f.t, f.api(f.t.Context(), http.MethodPost, "/certificates/"+string(f.serial)+"/"+verb, body, &c))
}

// resumer is openssl's client. It resumes sessions of TLS 1.2 by their IDs, too,
// which Go's does not.
type resumer struct {
	f       *frontier
	version string // tls1_2 or tls1_3
	resumed bool
}

// call is visit's.
func (r *resumer) call(ctx context.Context, _ http.Header) (in bool, why string) {
	session := r.f.path("session-" + r.version)
	args := []string{"s_client", "-connect", r.f.address, "-servername", "api.example.com", "-" + r.version, "-ign_eof", "-cert", r.f.path("client.pem"), "-key", r.f.path("client.key"), "-sess_out", session}
	if _, err := os.Stat(session); err == nil {
		args = append(args, "-sess_in", session)
	}
	c := exec.CommandContext(ctx, "openssl", args...)
	c.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
	out, err := c.CombinedOutput()
	r.resumed = strings.Contains(string(out), "\nReused, ")
	if !strings.Contains(string(out), r.f.greeting) {
		return false, fmt.Sprintf("openssl: %v: %s", err, out)
	}
	return true, ""
}

// spoof sends what tells the application who is calling, as a client that would
// be somebody else. The application must see each of the names once, and nothing
// of the client's.
func (f *frontier) spoof(names ...string) {
	f.t.Helper()
	const evil = "CN=evil"
	sent := http.Header{}
	for _, name := range append(names, "Client-Cert", "Postern-Organization", "Postern-Service", "Postern-Serial") {
		sent[name] = []string{evil, evil + " twice"}
		sent[strings.ToLower(name)] = []string{evil + " lower"}
		sent[strings.ToUpper(name)] = []string{evil + " upper"}
		sent[strings.ReplaceAll(name, "-", "_")] = []string{evil + " underscore"}
		sent[strings.ReplaceAll(name, "-", "%2D")] = []string{evil + " encoded"}
	}
	if in, why := f.visitor(&f.identity, tls.VersionTLS13, true).call(f.t.Context(), sent); !in {
		f.t.Fatalf("a client that sends such headers is refused altogether: %s", why)
	}
	saw := <-f.saw
	for _, name := range names {
		if got := saw.Values(name); len(got) != 1 || got[0] == "" || strings.Contains(got[0], "evil") {
			f.t.Errorf("the application saw %s: %q, want one value of the server's own", name, got)
		}
		for seen, values := range saw {
			if strings.EqualFold(strings.ReplaceAll(seen, "_", "-"), name) && strings.Contains(strings.Join(values, "\n"), "evil") {
				f.t.Errorf("the application saw %s: %q", seen, values)
			}
		}
	}
	// A header of a hundred thousand bytes does not push anything out.
	long := http.Header{names[0]: {strings.Repeat("evil", 25_000)}}
	if in, _ := f.visitor(&f.identity, tls.VersionTLS13, true).call(f.t.Context(), long); in {
		if got := (<-f.saw).Values(names[0]); len(got) != 1 || strings.Contains(got[0], "evil") {
			f.t.Errorf("the application saw %s of %d bytes", names[0], len(strings.Join(got, "")))
		}
	}
}
