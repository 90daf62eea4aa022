package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// pkcs12Server starts a two-way TLS server of one version that trusts the root
// alone, so that a client must send its chain. It answers with the caller's name.
func pkcs12Server(t *testing.T, ca pkcs12CA, version uint16) (port string) {
	t.Helper()
	certificate, key := ca.server(t)
	roots := x509.NewCertPool()
	roots.AddCert(ca.root)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s over %s", r.TLS.PeerCertificates[0].Subject.CommonName, tls.VersionName(r.TLS.Version))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the calls that are refused
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate.Raw, ca.issuing.Raw}, PrivateKey: key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: roots,
		MinVersion: version, MaxVersion: version,
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// pkcs12Calls is one call with each of files to each of ports.
type pkcs12Calls struct {
	root  string // path of the server's root in PEM
	files []pkcs12File
	ports []string
	names []string // of the calls: the ports of the first file, those of the second, ...
}

func newPKCS12Calls(t *testing.T) pkcs12Calls {
	t.Helper()
	ca := newPKCS12CA(t)
	c := pkcs12Calls{
		root:  filepath.Join(t.TempDir(), "root.pem"),
		ports: []string{pkcs12Server(t, ca, tls.VersionTLS12), pkcs12Server(t, ca, tls.VersionTLS13)},
	}
	pkcs12Save(t, c.root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.root.Raw}))
	add := func(name string, f pkcs12File) {
		c.files = append(c.files, f)
		c.names = append(c.names, name+" TLS 1.2", name+" TLS 1.3")
	}
	for _, algorithm := range issuance.KeyAlgorithms() {
		key := pkcs12Key(t, algorithm)
		for _, target := range []issuance.Target{issuance.Modern, issuance.Compatible} {
			add(fmt.Sprintf("%s %s", algorithm, target), pkcs12Write(t, ca.bundle(t, key, target)))
		}
	}
	add("another password", c.files[0].withPassword(t, NewPassword()))
	return c
}

// want returns the answers to all calls, where the client gets answer out of a
// file that opens and refusal out of one that doesn't.
func (c pkcs12Calls) want(answer, refusal string) (want []string) {
	for _, name := range c.names {
		if strings.HasPrefix(name, "another password") {
			want = append(want, name+": "+refusal)
		} else {
			want = append(want, name+": "+answer+name[strings.Index(name, "TLS"):])
		}
	}
	return want
}

func TestPackAuthenticates(t *testing.T) {
	t.Parallel()
	calls := newPKCS12Calls(t)
	t.Run("curl", func(t *testing.T) {
		t.Parallel()
		if diff := cmp.Diff(calls.want("payments-prod over ", "exit status 58"), calls.withCurl(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("java", func(t *testing.T) {
		t.Parallel()
		alias := strings.ToLower(pkcs12Name)
		if diff := cmp.Diff(calls.want(alias+": payments-prod over ", "keystore password was incorrect"), calls.withJava(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func (c pkcs12Calls) withCurl(t *testing.T) (got []string) {
	t.Helper()
	for i, name := range c.names {
		f, port := c.files[i/len(c.ports)], c.ports[i%len(c.ports)]
		cmd := pkcs12Program(t, "curl", "curl", "--config", "-")
		cmd.Stdin = strings.NewReader(fmt.Sprintf("silent\nfail\ncert-type = P12\ncert = %q\npass = %q\ncacert = %q\nurl = https://127.0.0.1:%s/\n",
			f.path, f.bundle.Password.Reveal(), c.root, port))
		out, err := cmd.Output()
		if err != nil {
			out = []byte(err.Error())
		}
		got = append(got, name+": "+string(out))
	}
	return got
}

// withJava has one Java make all the calls: its start takes longer than they do.
func (c pkcs12Calls) withJava(t *testing.T) (got []string) {
	t.Helper()
	var stdin, stderr strings.Builder
	for _, f := range c.files {
		fmt.Fprintln(&stdin, f.path, string(f.bundle.Password.Reveal()), strings.Join(c.ports, " "))
	}
	cmd := pkcs12Program(t, "default-jdk-headless", "java", "-XX:+UseSerialGC", filepath.Join("testdata", "pkcs12", "Connect.java"), c.root)
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin.String()), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(c.names) {
		t.Fatalf("got %d lines for %d calls: %s", len(lines), len(c.names), out)
	}
	for i, line := range lines {
		got = append(got, c.names[i]+": "+line)
	}
	return got
}
