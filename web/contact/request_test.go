package contact

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// csrForm is the form for a CSR as a browser sends it: both fields, chosen or not.
func (b *browser) csrForm(path, text string, file []byte, fields ...string) *browser {
	b.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	if link := regexp.MustCompile(`name="link" value="([^"]*)"`).FindStringSubmatch(b.body); link != nil {
		m.WriteField("link", link[1])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		m.WriteField(fields[i], fields[i+1])
	}
	m.WriteField("csr", text)
	name := "request.csr"
	if file == nil {
		name = "" // as browsers send a field of which no file was chosen
	}
	part, err := m.CreateFormFile("csr_file", name)
	if err != nil {
		b.Fatal(err)
	}
	part.Write(file)
	m.Close()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.server.URL+path, &body)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", m.FormDataContentType())
	return b.do(r)
}

// TestEmptyCSR sends what looks as if it had a CSR and has none: nobody gets a key
// that was made here instead.
func TestEmptyCSR(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id))
	page := b.body
	for name, send := range map[string]func(){
		"nothing":      func() { b.csrForm("/claim/download", "", nil) },
		"blanks":       func() { b.csrForm("/claim/download", " \r\n\t\u00a0", nil) },
		"0-byte file":  func() { b.csrForm("/claim/download", "", []byte{}) },
		"blank file":   func() { b.csrForm("/claim/download", "", []byte("\xef\xbb\xbf\r\n")) },
		"one field":    func() { b.post("/claim/download", "csr", "") },
		"with a place": func() { b.post("/claim/download", "csr", "", "target", "java") },
	} {
		b.body = page
		if send(); b.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d, want 422", name, b.status)
		}
		b.shows("The certificate request is empty", "Nothing was created", `<details open>`, `aria-invalid="true"`)
	}
	if got := d.order(id).State; got != issuance.VerifiedState {
		t.Errorf("the order is %s, want verified", got)
	}
}

func TestScriptsEmptyCSR(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	before := d.everything(id)
	for name, send := range map[string]func(b *browser){
		"field":     func(b *browser) { b.post("/c/"+link+"/claim", "code", d.code(id), "csr", "") },
		"blanks":    func(b *browser) { b.post("/c/"+link+"/claim", "code", d.code(id), "csr", " \n") },
		"file":      func(b *browser) { b.csrForm("/c/"+link+"/claim", "", []byte{}, "code", d.code(id)) },
		"csr_file":  func(b *browser) { b.post("/c/"+link+"/claim", "code", d.code(id), "csr_file", "") },
		"and place": func(b *browser) { b.post("/c/"+link+"/claim", "code", d.code(id), "csr", "", "target", "java") },
	} {
		b := d.browser()
		if send(b); b.status != http.StatusUnprocessableEntity || !strings.Contains(b.body, "the CSR is empty") {
			t.Errorf("%s: status %d: %.200s", name, b.status, b.body)
		}
	}
	if diff := cmp.Diff(before, d.everything(id)); diff != "" {
		t.Errorf("an empty CSR changed something:\n%s", diff)
	}
}

// TestCurlWithoutItsFile is curl with the name of a file that is empty, or is not
// there: before version 8 it sends the rest.
func TestCurlWithoutItsFile(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "empty.csr"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "curl", append(args, "-sS", d.server.URL+"/c/"+link+"/claim")...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput() // what it says of itself is its business
		return string(out)
	}
	for _, file := range []string{"empty.csr", "typo.csr"} {
		code, csr := []string{"--data-urlencode", "code=" + d.code(id)}, []string{"--data-urlencode", "csr@" + file}
		for _, args := range [][]string{append(code, csr...), append(csr, code...)} {
			out := curl(args...)
			if state := d.order(id).State; state != issuance.InvitedState {
				t.Fatalf("curl %q: the order is %s: %.100q", args, state, out)
			}
			if file == "empty.csr" && !strings.Contains(out, "the CSR is empty") {
				t.Errorf("curl %q: %s", args, out)
			}
		}
	}
}

func TestPrivateKeyIsNotShownAgain(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	both := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})) + text
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id))
	page := b.body
	for name, send := range map[string]func(){
		"pasted":         func() { b.csrForm("/claim/download", text, nil) },
		"with a request": func() { b.csrForm("/claim/download", both, nil) },
		"as a file":      func() { b.csrForm("/claim/download", "", []byte(text)) },
		"in DER":         func() { b.csrForm("/claim/download", "", der) },
		"in SEC 1":       func() { b.csrForm("/claim/download", "", sec1) },
		"by a script":    func() { b.post("/c/"+link+"/claim", "csr", text) },
	} {
		b.body = page
		if send(); b.status != http.StatusUnprocessableEntity || !strings.Contains(b.body, "no longer secret") {
			t.Errorf("%s: status %d: %s", name, b.status, b.main())
		}
		if secret := text[40:80]; strings.Contains(b.body, secret) || strings.Contains(d.log.String(), secret) {
			t.Errorf("%s: the key is in the page or in the log", name)
		}
	}
	if got := d.order(id).State; got != issuance.VerifiedState {
		t.Errorf("the order is %s, want verified", got)
	}
}

// testRequest returns a CSR in PEM.
func testRequest(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}
