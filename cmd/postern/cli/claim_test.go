package cli_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// contactSite is a fake of the contacts' site, with 11112222 for a code.
type contactSite struct {
	t          *testing.T
	requests   []string
	name       string                                    // that it gives the file
	codeStatus int                                       // of /code
	chain      func(csr *x509.CertificateRequest) []byte // that it answers a CSR with
}

func newContactSite(t *testing.T) (*contactSite, string) {
	t.Helper()
	t.Chdir(t.TempDir())
	c := &contactSite{t: t, name: "payments.p12", codeStatus: http.StatusAccepted}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return c, s.URL + "/c/secrettoken0123456789abcdefghijklmnopqrst-_"
}

func (c *contactSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, verb, _ := strings.Cut(r.URL.Path, "/c/secrettoken0123456789abcdefghijklmnopqrst-_/")
	r.ParseForm()
	line := verb
	for _, field := range []string{"code", "target", "key"} {
		if v := r.PostForm.Get(field); v != "" {
			line += " " + field + "=" + v
		}
	}
	if r.PostForm.Has("csr") {
		line += " csr"
	}
	c.requests = append(c.requests, line)
	refuse := func(status int, code, detail string) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"detail":%q,"code":%q,"hint":"do something","left":%d}`, detail, code, map[bool]int{true: 4}[code == "wrong-code"])
	}
	switch {
	case verb == "code" && c.codeStatus == http.StatusTooManyRequests:
		refuse(c.codeStatus, "cooldown", "a code has just been sent")
	case verb == "code":
		w.WriteHeader(c.codeStatus)
	case r.PostForm.Get("code") != "11112222":
		refuse(http.StatusForbidden, "wrong-code", "this code is wrong")
	case r.PostForm.Has("csr"):
		block, _ := pem.Decode([]byte(r.PostForm.Get("csr")))
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil {
			c.t.Error(err)
		}
		w.Write(c.chain(csr))
	default:
		w.Header().Set("Content-Disposition", `attachment; filename="`+c.name+`"`)
		io.WriteString(w, "PKCS#12")
	}
}

// certify returns a certificate for csr's key, signed by nobody who matters.
func certify(t *testing.T, public any) []byte {
	key := testKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestClaimAFile(t *testing.T) {
	site, link := newContactSite(t)
	same(t, result{out: "payments.p12\n"}, run(t, nil, "11112222\n", "claim", link, "--target", "windows", "--key", "RSA-2048"))
	same(t, result{out: "payments-1.p12\n"}, run(t, nil, link+"\n11112222", "claim"))
	same(t, result{out: "mine.p12\n"}, run(t, nil, "\n 11112222 \n", "claim", link, "--out", "mine.p12"))
	same(t, []string{"claim code=11112222 target=windows key=RSA-2048", "claim code=11112222", "claim code=11112222"}, site.requests)
	site.name = "../../../etc/passwd"
	same(t, result{out: "certificate.p12\n"}, run(t, nil, "11112222\n", "claim", link))
	for _, name := range []string{"payments.p12", "payments-1.p12", "mine.p12", "certificate.p12"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 7 {
			t.Errorf("%s: got %v, %v", name, info, err)
		}
	}
	if left, _ := os.ReadDir("."); len(left) != 4 {
		t.Errorf("files are left behind: %v", left)
	}
}

func TestNothingIsReplaced(t *testing.T) {
	site, link := newContactSite(t)
	for _, name := range []string{"there.p12", "there.pem"} {
		if err := os.WriteFile(name, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, flags := range [][]string{{"--out", "there.p12"}, {"--new-key", "there.pem"}, {"--new-key", "there.key"}} {
		got := run(t, nil, "11112222\n", append([]string{"claim", link}, flags...)...)
		if got.status != 1 || !strings.Contains(got.err, "already exists") || len(site.requests) > 0 {
			t.Errorf("%v: got %+v after %v", flags, got, site.requests)
		}
	}
	if left, _ := os.ReadDir("."); len(left) != 2 {
		t.Errorf("files are left behind: %v", left)
	}
}

// TestValuesThatAreNone gives flags what they cannot be: the server is not asked.
func TestValuesThatAreNone(t *testing.T) {
	for _, line := range []string{
		"order list --state nosuch", "cert list --status nosuch", "message list --state nosuch", "token add --name x --role king",
		"order create --service a.b --contact x --key DSA", "order create --service a.b --contact x --target toaster",
		"order create --service a.b --contact x --renews zz", "cert list --expires-before soon",
	} {
		got := run(t, nil, "", strings.Fields(line)...)
		if got.status != 2 || !strings.Contains(got.err, "--") {
			t.Errorf("%s: got %+v", line, got)
		}
	}
}

func TestWhatFailsBeforeTheServerIsAsked(t *testing.T) {
	site, link := newContactSite(t)
	if err := os.WriteFile("bad.csr", []byte("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("empty.csr", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{
		{"--out", "no/such/directory/x.p12"},
		{"--csr", "bad.csr"},
		{"--csr", "missing.csr"},
		{"--csr", "empty.csr"},
		{"--ca", "missing.pem"},
		{"--new-key", "no/such/directory/x.key"},
	} {
		got := run(t, nil, "11112222\n", append([]string{"claim", link}, flags...)...)
		if got.status != 1 || got.err == "" || strings.Contains(got.err, "secrettoken") {
			t.Errorf("%v: got %+v", flags, got)
		}
	}
	for _, flags := range [][]string{{"--key", "DSA"}, {"--target", "toaster"}} {
		got := run(t, nil, "11112222\n", append([]string{"claim", link}, flags...)...)
		if got.status != 2 || !strings.Contains(got.err, flags[0]+": ") || !strings.Contains(got.err, "choose one of ") {
			t.Errorf("%v: got %+v", flags, got)
		}
	}
	if got := run(t, nil, "", "claim", link); got.status != 1 || !strings.Contains(got.err, "code: none was entered") {
		t.Errorf("no code: got %+v", got)
	}
	if got := run(t, nil, "", "claim"); got.status != 1 {
		t.Errorf("no link: got %+v", got)
	}
	if len(site.requests) > 0 {
		t.Errorf("the server was asked: %v", site.requests)
	}
	if left, _ := os.ReadDir("."); len(left) != 2 {
		t.Errorf("files are left behind: %v", left)
	}
}

func TestAWrongCodeInAPipe(t *testing.T) {
	site, link := newContactSite(t)
	got := run(t, nil, "00000000\n11112222\n", "claim", link, "--new-key", "client.key")
	same(t, result{status: 1, err: "postern: this code is wrong (4 tries left)\n  do something\n"}, got)
	same(t, []string{"claim code=00000000 csr"}, site.requests)
	if left, _ := os.ReadDir("."); len(left) != 0 {
		t.Errorf("files are left behind: %v", left)
	}
}

func TestSendCode(t *testing.T) {
	site, link := newContactSite(t)
	same(t, result{out: "payments.p12\n"}, run(t, nil, "11112222\n", "claim", link, "--send-code"))
	same(t, []string{"code", "claim code=11112222"}, site.requests)
	site.codeStatus = http.StatusTooManyRequests
	same(t, result{out: "payments-1.p12\n", err: "postern: a code has just been sent\n  do something\n"}, run(t, nil, "11112222\n", "claim", link, "--send-code"))
	site.codeStatus = http.StatusNotFound
	if got := run(t, nil, "11112222\n", "claim", link, "--send-code"); got.status != 1 || strings.Contains(got.err, "secrettoken") {
		t.Errorf("got %+v", got)
	}
}

// TestNewKey checks that the key is on the disk, for its owner alone, before the
// server is asked to certify it.
func TestNewKey(t *testing.T) {
	for _, algorithm := range []string{"", "P-384", "RSA-2048", "RSA-3072", "Ed25519"} {
		t.Run(algorithm, func(t *testing.T) {
			site, link := newContactSite(t)
			site.chain = func(csr *x509.CertificateRequest) []byte {
				info, err := os.Stat("client.key")
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("when the CSR arrives the key is %v, %v", info, err)
				}
				return certify(t, csr.PublicKey)
			}
			args := []string{"claim", link, "--new-key", "client.key"}
			if algorithm != "" {
				args = append(args, "--key", algorithm)
			}
			same(t, result{out: "client.pem\n"}, run(t, nil, "11112222\n", args...))
			same(t, []string{"claim code=11112222 csr"}, site.requests)
			// Another program's word that both are what they should be.
			var keys []string
			for _, command := range [][]string{{"pkey", "-in", "client.key", "-pubout"}, {"x509", "-in", "client.pem", "-noout", "-pubkey"}} {
				out, err := exec.Command("openssl", command...).CombinedOutput()
				if err != nil {
					t.Fatalf("openssl (apt-get install openssl): %v\n%s", err, out)
				}
				keys = append(keys, string(out))
			}
			if keys[0] != keys[1] {
				t.Errorf("the certificate has another key:\n%s%s", keys[0], keys[1])
			}
		})
	}
}

func TestCSR(t *testing.T) {
	site, link := newContactSite(t)
	for _, format := range []string{"PEM", "DER"} {
		out, err := exec.Command("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
			"-keyout", format+".key", "-out", format+".csr", "-outform", format).CombinedOutput()
		if err != nil {
			t.Fatalf("openssl (apt-get install openssl): %v\n%s", err, out)
		}
		site.chain = func(csr *x509.CertificateRequest) []byte { return certify(t, csr.PublicKey) }
		same(t, result{out: format + ".pem\n"}, run(t, nil, "11112222\n", "claim", link, "--csr", format+".csr", "--out", format+".pem"))
	}
}

// TestACSRFromWindows has a byte order mark, and names that only the program that
// made it reads.
func TestACSRFromWindows(t *testing.T) {
	site, link := newContactSite(t)
	out, err := exec.Command("sh", "-euc", `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout client.key -out made.csr
		printf '\357\273\277' > client.csr
		sed 's/$/\r/' made.csr >> client.csr
		cat client.csr client.key > both.csr`).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl (apt-get install openssl): %v\n%s", err, out)
	}
	site.chain = func(csr *x509.CertificateRequest) []byte { return certify(t, csr.PublicKey) }
	same(t, result{out: "client.pem\n"}, run(t, nil, "11112222\n", "claim", link, "--csr", "client.csr", "--out", "client.pem"))
	site.requests = nil
	got := run(t, nil, "11112222\n", "claim", link, "--csr", "both.csr")
	if got.status != 1 || !strings.Contains(got.err, "private key in both.csr; nothing was sent") || len(site.requests) > 0 {
		t.Errorf("a key beside the CSR: got %+v, and the site %v", got, site.requests)
	}
}

// TestAForeignCertificateIsRefused has the server answer with what is not for our key.
func TestAForeignCertificateIsRefused(t *testing.T) {
	site, link := newContactSite(t)
	for name, text := range map[string][]byte{
		"another key": certify(t, testKey(t).Public()), "no PEM": []byte("<h1>"), "no certificate": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "nothing": nil,
	} {
		site.chain = func(*x509.CertificateRequest) []byte { return text }
		key := strings.ReplaceAll(name, " ", "-") + ".key"
		got := run(t, nil, "11112222\n", "claim", link, "--new-key", key)
		if got.status != 1 || !strings.Contains(got.err, "other than a certificate for this key") {
			t.Errorf("%s: got %+v", name, got)
		}
		if _, err := os.Stat(key); err != nil {
			t.Errorf("%s: the key is gone: %v", name, err)
		}
	}
	left, _ := os.ReadDir(".")
	if slices.ContainsFunc(left, func(e os.DirEntry) bool { return !strings.HasSuffix(e.Name(), ".key") }) {
		t.Errorf("files are left behind: %v", left)
	}
}
