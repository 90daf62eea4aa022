package contact

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// script claims in one request.
func (b *browser) script(link string, fields ...string) *browser {
	b.Helper()
	b.body = "" // no hidden fields
	return b.post("/c/"+link+"/claim", fields...)
}

func TestScript(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser()
	b.script(link, "code", d.wrong(id)).shows("this code is wrong (4 tries left)\ncheck the newest SMS\n")
	if b.status != http.StatusForbidden {
		t.Errorf("a wrong code gets status %d, want 403", b.status)
	}
	b.script(link, "code", d.code(id), "target", "nowhere").shows("there is no target")
	if b.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong target gets status %d, want 422", b.status)
	}
	// What could be refused was refused before the code was used up.
	b.script(link, "code", d.code(id), "target", "java")
	if b.status != http.StatusOK || b.header.Get("Content-Disposition") != `attachment; filename="payments.p12"` {
		t.Fatalf("status %d, header %v: %s", b.status, b.header, b.body)
	}
	first := b.body
	waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
	// The same request again, with the cookie it got.
	if got := b.script(link, "code", d.code(id), "target", "java"); got.body != first || got.status != http.StatusOK {
		t.Errorf("again: status %d, %d other bytes", got.status, len(got.body))
	}
	if got := d.passwords(id); got != 1 {
		t.Errorf("%d password SMS were queued, want 1", got)
	}
	// Without it.
	other := d.browser()
	other.client.Jar = nil
	if got := other.script(link, "code", d.code(id)); got.status != http.StatusNotFound {
		t.Errorf("without the cookie: status %d, want 404: %s", got.status, got.body)
	}
	d.pass(31 * time.Minute)
	if got := b.script(link); got.status != http.StatusConflict {
		t.Errorf("after the window: status %d, want 409: %s", got.status, got.body)
	}
}

func TestScriptSendsCode(t *testing.T) {
	d := newDesk(t)
	_, link := d.invite()
	b := d.browser()
	if b.post("/c/" + link + "/code"); b.status != http.StatusTooManyRequests || b.header.Get("Retry-After") != "60" {
		t.Errorf("at once: status %d, Retry-After %q, want 429 and 60", b.status, b.header.Get("Retry-After"))
	}
	d.pass(time.Minute)
	if b.post("/c/" + link + "/code"); b.status != http.StatusAccepted {
		t.Errorf("after a minute: status %d: %s", b.status, b.body)
	}
	for _, dead := range []string{"x", strings.Repeat("x", 43), strings.Repeat("y", 100)} {
		if b.post("/c/" + dead + "/code"); b.status != http.StatusNotFound {
			t.Errorf("a dead link gets status %d, want 404", b.status)
		}
	}
}

func TestScriptProblem(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+"/c/"+link+"/claim", strings.NewReader("code="+d.wrong(id)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/problem+json")
	b := d.browser().do(r)
	var problem struct {
		Type, Title, Detail, Hint, Code string
		Status                          int
	}
	if err := json.Unmarshal([]byte(b.body), &problem); err != nil {
		t.Fatal(err)
	}
	if problem.Code != "wrong-code" || problem.Status != b.status || problem.Detail != "this code is wrong (4 tries left)" || problem.Hint == "" {
		t.Errorf("status %d, problem %+v", b.status, problem)
	}
	if got, want := b.header.Get("Content-Type"), "application/problem+json"; got != want {
		t.Errorf("the problem is %s, want %s", got, want)
	}
}

func TestCSR(t *testing.T) {
	d := newDesk(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	id, link := d.invite()
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id)).post("/claim/download", "csr", csr)
	if got, want := b.header.Get("Content-Disposition"), `attachment; filename="payments.pem"`; got != want {
		t.Fatalf("Content-Disposition is %s, want %s: %s", got, want, b.main())
	}
	var certs []*x509.Certificate
	for rest := []byte(b.body); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, c)
	}
	if len(certs) != 2 || !key.PublicKey.Equal(certs[0].PublicKey) {
		t.Fatalf("the chain has %d certificates, the first for another key", len(certs))
	}
	waitFor(t, func() bool { return d.order(id).State == issuance.CompletedState })
	b.get("/claim").shows("Your certificate is ready", "payments.pem", "Download the file again", ".p7b", ".cer")
	b.post("/claim/download", "format", "cer")
	if b.body != string(certs[0].Raw) || b.header.Get("Content-Type") != "application/pkix-cert" {
		t.Errorf("as .cer: %s", b.header)
	}
	b.post("/claim/download", "format", "p7b")
	if got, want := b.header.Get("Content-Disposition"), `attachment; filename="payments.p7b"`; got != want {
		t.Errorf("Content-Disposition is %s, want %s", got, want)
	}
	print := exec.CommandContext(t.Context(), "openssl", "pkcs7", "-inform", "DER", "-print_certs")
	print.Stdin = strings.NewReader(b.body)
	out, err := print.CombinedOutput()
	if err != nil || strings.Count(string(out), "BEGIN CERTIFICATE") != len(certs) {
		t.Errorf("openssl reads the .p7b so: %v %s", err, out)
	}
	if b.post("/claim/download", "format", "pfx"); b.status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown format is answered with %d", b.status)
	}
	if got := d.passwords(id); got != 0 {
		t.Errorf("%d password SMS were queued for a CSR, want none", got)
	}
}

// TestCurl runs the commands of the package's documentation.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is not installed: apt-get install curl")
	}
	d := newDesk(t)
	id, link := d.invite()
	dir := t.TempDir()
	curl := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "--fail-with-body", "-OJ", "-c", "jar", "-b", "jar"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	url := d.server.URL + "/c/" + link + "/claim"
	if out, err := curl("--data-urlencode", "code="+d.code(id), "--data", "target=java", url); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	first, err := os.ReadFile(filepath.Join(dir, "payments.p12"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
	if err := os.Remove(filepath.Join(dir, "payments.p12")); err != nil {
		t.Fatal(err)
	}
	if out, err := curl("--data-urlencode", "code="+d.code(id), url); err != nil {
		t.Fatalf("again: %v: %s", err, out)
	}
	again, err := os.ReadFile(filepath.Join(dir, "payments.p12"))
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("curl fetched other bytes: %v", err)
	}
}

// TestContactsPage runs the commands of docs/contacts.md.
func TestContactsPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/contacts.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh name=(\\w+)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	want := map[string]string{"curl": "payments.p12", "csr": "payments.pem"}
	if len(blocks) != len(want) {
		t.Fatalf("the page has %d blocks to run, want %d", len(blocks), len(want))
	}
	for _, block := range blocks {
		d := newDesk(t)
		id, link := d.invite()
		script := strings.NewReplacer("https://certs.example.com", d.server.URL, "TOKEN", link, "12345678", d.code(id)).Replace(block[2])
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
		cmd.Dir = t.TempDir()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", block[1], err, out)
		}
		if _, err := os.Stat(filepath.Join(cmd.Dir, want[block[1]])); err != nil {
			t.Errorf("%s: %v", block[1], err)
		}
	}
}
