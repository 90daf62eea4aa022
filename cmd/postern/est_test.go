package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// estHouse is a house whose certificates live for a day and may always renew
// themselves, in which three tries are all, and a directory in which strangers' programs work.
type estHouse struct {
	*story
	t    *testing.T
	dir  string
	late *atomic.Int64 // how far its clock is ahead
}

func newESTHouse(t *testing.T) *estHouse {
	t.Helper()
	cfg, err := demoConfig(demoDir(t))
	must(t, err)
	cfg.CA.Validity = issuance.Period{Days: 1}
	cfg.Rules.CodeAttempts, cfg.Rules.OrderAttempts, cfg.Public.PostsBurst = 3, 3, 1000
	late := new(atomic.Int64)
	s := serveStory(t, cfg, func() time.Time { return time.Now().Add(time.Duration(late.Load())) })
	h := &estHouse{story: s, t: t, dir: t.TempDir(), late: late}
	h.write("root.pem", pemOf(s.h.authority.Root().Raw))
	h.write("issuing.pem", pemOf(s.h.authority.Issuers()[0].Certificate.Raw))
	return h
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (h *estHouse) write(name string, data []byte) {
	h.t.Helper()
	must(h.t, os.WriteFile(filepath.Join(h.dir, name), data, 0o600))
}

// run runs a program in the directory, and returns its standard output.
func (h *estHouse) run(program string, args ...string) []byte {
	h.t.Helper()
	out, err := h.try(program, args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *estHouse) try(program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	var errors bytes.Buffer
	c.Dir, c.Stderr = h.dir, &errors
	out, err := c.Output()
	if err != nil {
		return out, &exec.Error{Name: program + " " + strings.Join(args, " "), Err: os.NewSyscallError(errors.String(), err)}
	}
	return out, nil
}

// invite takes a new order to the point where link and code have arrived.
func (h *estHouse) invite() (token, code string) {
	h.t.Helper()
	h.steps(h.t, (*story).placeOrder, (*story).approve, (*story).readMail, (*story).readCode)
	return h.link[strings.LastIndex(h.link, "/")+1:], h.code
}

// key makes name.key and a request for it, name.csr, in DER; extra is for openssl req.
func (h *estHouse) key(name string, extra ...string) {
	h.t.Helper()
	h.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name+".key")
	h.request(name, name+".key", extra...)
}

func (h *estHouse) request(name, key string, extra ...string) {
	h.t.Helper()
	if len(extra) == 0 {
		extra = []string{"-subj", "/CN=any"}
	}
	h.run("openssl", append([]string{"req", "-new", "-key", key, "-outform", "DER", "-out", name + ".csr"}, extra...)...)
}

// successor makes name.key and a request with the names of the certificate in old.
func (h *estHouse) successor(name, old string) {
	h.t.Helper()
	h.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name+".key")
	h.run("openssl", "x509", "-x509toreq", "-in", old, "-signkey", name+".key", "-copy_extensions", "copyall", "-out", name+".csr.pem")
	h.run("openssl", "req", "-in", name+".csr.pem", "-outform", "DER", "-out", name+".csr")
}

// reply is what curl saw.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// curl asks one of EST's paths; with a path in csr, it posts that file in base64.
func (h *estHouse) curl(path, csr string, args ...string) reply {
	h.t.Helper()
	all := []string{"-sS", "--max-time", "20", "--cacert", "root.pem", "-w", `%{stderr}{"status":%{http_code},"header":%{header_json}}`, "-o", "body"}
	if csr != "" {
		der, err := os.ReadFile(filepath.Join(h.dir, csr))
		must(h.t, err)
		h.write("body.b64", []byte(base64.StdEncoding.EncodeToString(der)))
		all = append(all, "--data-binary", "@body.b64")
		if !slices.ContainsFunc(args, func(s string) bool { return strings.HasPrefix(s, "Content-Type:") }) {
			all = append(all, "-H", "Content-Type: application/pkcs10")
		}
	}
	os.Remove(filepath.Join(h.dir, "body"))
	c := exec.CommandContext(h.t.Context(), "curl", append(append(all, args...), h.h.cfg.MTLS.URL+path)...)
	var told bytes.Buffer
	c.Dir, c.Stderr = h.dir, &told
	if err := c.Run(); err != nil {
		return reply{header: http.Header{}, body: told.Bytes()}
	}
	var seen struct {
		Status int
		Header map[string][]string
	}
	must(h.t, json.Unmarshal(told.Bytes(), &seen))
	r := reply{status: seen.Status, header: http.Header{}}
	for name, values := range seen.Header {
		r.header[http.CanonicalHeaderKey(name)] = values
	}
	r.body, _ = os.ReadFile(filepath.Join(h.dir, "body")) // none: an empty answer
	return r
}

// certificates returns what openssl reads in a certs-only answer.
func (h *estHouse) certificates(r reply) []*x509.Certificate {
	h.t.Helper()
	if r.status != http.StatusOK || !strings.HasPrefix(r.header.Get("Content-Type"), "application/pkcs7-mime") || r.header.Get("Content-Transfer-Encoding") != "base64" {
		h.t.Fatalf("got %d %v %s, want a certs-only answer", r.status, r.header, r.body)
	}
	h.write("answer.b64", r.body)
	h.run("openssl", "base64", "-d", "-in", "answer.b64", "-out", "answer.p7") // which reads no long line
	var out []*x509.Certificate
	for rest := h.run("openssl", "pkcs7", "-inform", "DER", "-in", "answer.p7", "-print_certs"); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		c, err := x509.ParseCertificate(block.Bytes)
		must(h.t, err)
		out = append(out, c)
	}
}

// enroll gets a first certificate with curl: name.key, name.csr, name.pem.
func (h *estHouse) enroll(name string) *x509.Certificate {
	h.t.Helper()
	token, code := h.invite()
	h.key(name)
	got := h.certificates(h.curl("/.well-known/est/simpleenroll", name+".csr", "-u", token+":"+code))
	if len(got) != 1 {
		h.t.Fatalf("simpleenroll answered with %d certificates, want the new one alone", len(got))
	}
	h.write(name+".pem", pemOf(got[0].Raw))
	return got[0]
}

func (h *estHouse) wantIn(name string) {
	h.t.Helper()
	r := h.curl("/whoami", "", "--cert", name+".pem", "--key", name+".key")
	if r.status != http.StatusOK || !bytes.Contains(r.body, []byte(`"acme.payments"`)) {
		h.t.Errorf("with the certificate %s: %d %s", name, r.status, r.body)
	}
}

// TestESTWithStrongSwan has an EST client that is not ours get the CAs, a first
// certificate with link and code, and its successor, for a new key.
func TestESTWithStrongSwan(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	trust := []string{"--url", h.h.cfg.MTLS.URL, "--cacert", "root.pem", "--cacert", "issuing.pem"}
	h.run("pki", "--estca", "--url", h.h.cfg.MTLS.URL, "--cacert", "root.pem", "--caout", "fetched.pem", "--outform", "pem")
	for file, want := range map[string]*x509.Certificate{"fetched.pem": h.h.authority.Root(), "fetched-1.pem": h.h.authority.Issuers()[0].Certificate} {
		got, err := os.ReadFile(filepath.Join(h.dir, file))
		must(t, err)
		if block, _ := pem.Decode(got); block == nil || !bytes.Equal(block.Bytes, want.Raw) {
			t.Errorf("%s is not %s", file, want.Subject)
		}
	}

	token, code := h.invite()
	h.write("first.key", h.run("pki", "--gen", "--type", "ecdsa", "--size", "256", "--outform", "pem"))
	h.write("first.csr", h.run("pki", "--req", "--type", "ecdsa", "--in", "first.key", "--dn", "CN=payments"))
	h.write("first.pem", h.run("pki", append([]string{"--est", "--in", "first.csr", "--userpass", token + ":" + code, "--outform", "pem"}, trust...)...))
	h.wantIn("first")

	h.successor("second", "first.pem")
	h.write("second.pem", h.run("pki", append([]string{"--est", "--in", "second.csr", "--cert", "first.pem", "--key", "first.key", "--outform", "pem"}, trust...)...))
	h.wantIn("second")
	h.wantIn("first") // until its own end
	verified := h.run("openssl", "verify", "-CAfile", "root.pem", "-untrusted", "issuing.pem", "-purpose", "sslclient", "first.pem", "second.pem")
	if diff := cmp.Diff("first.pem: OK\nsecond.pem: OK\n", string(verified)); diff != "" {
		t.Errorf("openssl verify (-want +got):\n%s", diff)
	}
}

// TestESTPage does what docs/web-services/est.md says, line by line.
func TestESTPage(t *testing.T) {
	t.Parallel()
	for _, block := range []string{"strongswan", "curl"} {
		h := newESTHouse(t)
		token, code := h.invite()
		script := (&frontier{t: t}).page("est.md", block, map[string]string{
			"https://mtls.example.com:8444": h.h.cfg.MTLS.URL, "TOKEN": token, "12345678": code,
		})
		h.run("sh", "-euc", script)
		must(t, os.Rename(filepath.Join(h.dir, "renewed.pem"), filepath.Join(h.dir, "new.pem")))
		must(t, os.Rename(filepath.Join(h.dir, "renewed.key"), filepath.Join(h.dir, "new.key")))
		h.wantIn("client")
		h.wantIn("new")
	}
}
