package main

import (
	"crypto"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// TestClientsPage calls the two-way TLS listener as docs/web-services/clients.md
// has it: with curl and PEM files, and through nginx and HAProxy as clients.
func TestClientsPage(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	must(t, os.WriteFile(f.path("payments.p12"), f.file, 0o600))
	whoami := f.h.cfg.MTLS.URL + "/whoami"
	wantMe := func(how, answer string) {
		t.Helper()
		if !strings.Contains(answer, `"service":"acme.payments"`) {
			t.Errorf("%s: got %s", how, answer)
		}
	}
	shell := func(block string) string {
		t.Helper()
		c := exec.Command("sh", "-euc", f.page("clients.md", block, map[string]string{"https://api.example.com/": whoami}))
		c.Dir, c.Env = f.dir, append(os.Environ(), "PASSWORD="+f.password, "CURL_CA_BUNDLE="+f.path("root.pem"))
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", block, err, out)
		}
		return string(out)
	}
	wantMe("curl", shell("curl"))
	wantMe("curl with PEM files", shell("pem"))

	ca := map[string]string{"/etc/ssl/certs/ca-certificates.crt": f.path("root.pem")}
	ca["https://api.example.com"], ca["api.example.com;"] = f.h.cfg.MTLS.URL, "localhost;"
	ca["/etc/nginx/payments-chain.pem"], ca["/etc/nginx/payments-key.pem"] = f.path("payments-chain.pem"), f.path("payments-key.pem")
	f.nginx("server { listen " + f.address + ";\n" + f.page("clients.md", "nginx", ca) + "}\n")
	wantMe("nginx", f.plain())
}

// TestACompatibleFileNeedsNoLegacyProvider: openssl opens it with the commands of
// the page where its module for old algorithms is not installed.
func TestACompatibleFileNeedsNoLegacyProvider(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	key, ok := f.identity.PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatalf("the identity's key is a %T", f.identity.PrivateKey)
	}
	file, err := delivery.Pack(issuance.Bundle{
		Key: key, Certificate: f.identity.Leaf.Raw, Chain: [][]byte{f.h.authority.Issuers()[0].Certificate.Raw, f.h.authority.Root().Raw},
		Password: issuance.NewSecret([]byte(f.password)), Target: issuance.Compatible, FriendlyName: "acme.payments",
	})
	must(t, err)
	must(t, os.WriteFile(f.path("payments.p12"), file, 0o600))
	c := exec.Command("sh", "-euc", f.page("clients.md", "pem", map[string]string{"https://api.example.com/": f.h.cfg.MTLS.URL + "/whoami"}))
	c.Dir = f.dir
	c.Env = append(os.Environ(), "PASSWORD="+f.password, "CURL_CA_BUNDLE="+f.path("root.pem"), "OPENSSL_MODULES="+t.TempDir())
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"service":"acme.payments"`) {
		t.Errorf("got %v\n%s", err, out)
	}
	kinds := exec.Command("openssl", "pkcs12", "-info", "-noout", "-in", "payments.p12", "-passin", "env:PASSWORD")
	kinds.Dir, kinds.Env = c.Dir, c.Env
	if out, err := kinds.CombinedOutput(); err != nil || !strings.Contains(string(out), "pbeWithSHA1And3-KeyTripleDES-CBC") {
		t.Errorf("the file is not the compatible one: %v\n%s", err, out)
	}
}

// TestHAProxyAsAClient is the rest of the page.
func TestHAProxyAsAClient(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	f.keep("payments.pem", append(f.read("client.pem"), f.read("client.key")...))
	f.haproxy("defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\nfrontend plain\n bind " + f.address + "\n default_backend api\n" +
		f.page("clients.md", "haproxy", map[string]string{
			"api.example.com:443": strings.TrimPrefix(f.h.cfg.MTLS.URL, "https://"), "str(api.example.com)": "str(localhost)", "verifyhost api.example.com": "verifyhost localhost",
			"/etc/ssl/certs/ca-certificates.crt": f.path("root.pem"), "/etc/haproxy/payments.pem": f.path("payments.pem"),
		}))
	if answer := f.plain(); !strings.Contains(answer, `"service":"acme.payments"`) {
		t.Errorf("got %s", answer)
	}
}

func (f *frontier) read(name string) []byte {
	f.t.Helper()
	content, err := os.ReadFile(f.path(name))
	must(f.t, err)
	return content
}

// plain asks the proxy in front, which calls with the certificate.
func (f *frontier) plain() string {
	f.t.Helper()
	answer, err := http.Get("http://" + f.address + "/whoami")
	must(f.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(f.t, err)
	return string(body)
}
