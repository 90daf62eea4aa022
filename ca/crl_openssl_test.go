package ca

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// crlOpenSSL runs openssl and returns what it printed, and whether it said that all is well.
func crlOpenSSL(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("this test needs openssl: apt-get install openssl")
	}
	out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
	return string(out), err == nil
}

// crlFile writes what w has to write into a file and returns its path.
func crlFile(t *testing.T, name string, w io.WriterTo) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// crlPEM writes certificates into a PEM file and returns its path.
func crlPEM(t *testing.T, name string, certificates ...*x509.Certificate) string {
	t.Helper()
	var b []byte
	for _, c := range certificates {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// crlLeaf is a client certificate of issuing, valid now, known to the store as active.
func crlLeaf(t *testing.T, issuing Issuer, store *crlStore) (*x509.Certificate, issuance.Serial) {
	t.Helper()
	serial := issuance.NewSerial()
	template := &x509.Certificate{
		SerialNumber: serial.Int(), Subject: pkix.Name{CommonName: "payments"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuing.Certificate, crlKey(t, "P-256").Public(), issuing.Signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	err = store.change(t.Context(), func(tx crlTx) error {
		return tx.PutCertificate(issuance.Certificate{Serial: serial, Status: issuance.Active, Issuer: issuing.ID, NotAfter: leaf.NotAfter})
	})
	if err != nil {
		t.Fatal(err)
	}
	return leaf, serial
}

// ocspHandler answers by POST and by GET, as web does.
func ocspHandler(t *testing.T, r *Responder) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var request []byte
		var err error
		if req.Method == http.MethodGet {
			request, err = RequestFromPath(strings.TrimPrefix(req.URL.EscapedPath(), "/ocsp"))
		} else {
			request, err = io.ReadAll(req.Body)
		}
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Write(r.Respond(req.Context(), request).DER)
	})
}

// OpenSSL sees good, held, released and revoked, in the CRLs of every level and
// by OCSP.
func TestOpenSSLFollows(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		t.Run(kind, func(t *testing.T) {
			house, store := newCRLHouse(t, crlKey(t, kind)), newCRLStore()
			leaf, serial := crlLeaf(t, house.issuing, store)
			p := crlRun(t, house, store, crlLog(t))
			server := httptest.NewServer(ocspHandler(t, p.Responder))
			defer server.Close()
			files := map[string]string{
				"root": crlPEM(t, "root.pem", house.root.Certificate), "issuing": crlPEM(t, "issuing.pem", house.issuing.Certificate),
				"chain": crlPEM(t, "chain.pem", house.issuing.Certificate, house.root.Certificate), "leaf": crlPEM(t, "leaf.pem", leaf),
			}
			for _, step := range []struct {
				status issuance.Status
				reason issuance.Reason
				verify string // what openssl verify prints
				ocsp   string
				extra  string
			}{
				{"", "", ": OK", ": good", ""},
				{issuance.Held, issuance.CertificateHold, "certificate revoked", ": revoked", "Reason: certificateHold"},
				{issuance.Active, "", ": OK", ": good", ""},
				{issuance.Revoked, issuance.KeyCompromise, "certificate revoked", ": revoked", "Reason: keyCompromise"},
			} {
				bundle, err := p.Bundle()
				if err != nil {
					t.Fatal(err)
				}
				if step.status != "" {
					crlChange(t, store, serial, step.status, step.reason, time.Now().Truncate(time.Second), leaf.NotAfter)
					p.Wake()
					if bundle, err = p.WaitBundle(t.Context(), bundle.ETag); err != nil {
						t.Fatal(err)
					}
				}
				path := crlFile(t, "crl-bundle.pem", bundle)
				out, ok := crlOpenSSL(t, "verify", "-crl_check_all", "-CRLfile", path, "-CAfile", files["root"], "-untrusted", files["issuing"], files["leaf"])
				if !strings.Contains(out, step.verify) || ok != (step.verify == ": OK") {
					t.Errorf("%s: openssl verify said\n%s", step.status, out)
				}
				c, err := p.CRL("issuing-1")
				if err != nil {
					t.Fatal(err)
				}
				out, ok = crlOpenSSL(t, "crl", "-inform", "DER", "-in", crlFile(t, "issuing.crl", c), "-CAfile", files["issuing"], "-verify", "-noout")
				if !ok || !strings.Contains(out, "verify OK") {
					t.Errorf("%s: openssl crl said\n%s", step.status, out)
				}
				for _, hash := range []string{"-sha1", "-sha256"} {
					for _, nonce := range []string{"-no_nonce", "-nonce"} {
						out, ok = crlOpenSSL(t, "ocsp", hash, "-issuer", files["issuing"], "-cert", files["leaf"], nonce, "-url", server.URL+"/ocsp", "-CAfile", files["root"], "-verify_other", files["issuing"])
						if !ok || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, step.ocsp) || !strings.Contains(out, step.extra) {
							t.Errorf("%s: openssl ocsp %s %s said\n%s", step.status, hash, nonce, out)
						}
					}
				}
				ocspByGet(t, server.URL, files, step.ocsp)
			}
			out, _ := crlOpenSSL(t, "ocsp", "-issuer", files["issuing"], "-serial", "0x77", "-no_nonce", "-url", server.URL+"/ocsp", "-CAfile", files["root"], "-verify_other", files["issuing"])
			if !strings.Contains(out, "0x77: unknown") {
				t.Errorf("of a serial number that was not issued openssl ocsp said\n%s", out)
			}
			out, _ = crlOpenSSL(t, "ocsp", "-issuer", files["root"], "-cert", files["issuing"], "-no_nonce", "-url", server.URL+"/ocsp", "-CAfile", files["root"])
			if !strings.Contains(out, "unauthorized") {
				t.Errorf("of a certificate of the root openssl ocsp said\n%s", out)
			}
			out, _ = crlOpenSSL(t, "ocsp", "-issuer", files["issuing"], "-cert", files["leaf"], "-serial", "0x77", "-no_nonce", "-url", server.URL+"/ocsp", "-CAfile", files["root"])
			if !strings.Contains(out, "0x77: unknown") || !strings.Contains(out, "leaf.pem: revoked") {
				t.Errorf("of two certificates at once openssl ocsp said\n%s", out)
			}
		})
	}
}

// ocspByGet has OpenSSL write the request and read the answer, and fetches it by GET.
func ocspByGet(t *testing.T, server string, files map[string]string, want string) {
	t.Helper()
	dir := t.TempDir()
	request, answer := filepath.Join(dir, "request"), filepath.Join(dir, "answer")
	if out, ok := crlOpenSSL(t, "ocsp", "-issuer", files["issuing"], "-cert", files["leaf"], "-no_nonce", "-reqout", request); !ok {
		t.Fatal(out)
	}
	path, ok := crlOpenSSL(t, "base64", "-A", "-in", request)
	if !ok {
		t.Fatal(path)
	}
	response, err := http.Get(server + "/ocsp/" + strings.TrimSpace(path))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	der, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(answer, der, 0o600); err != nil {
		t.Fatal(err)
	}
	out, ok := crlOpenSSL(t, "ocsp", "-issuer", files["issuing"], "-cert", files["leaf"], "-no_nonce", "-respin", answer, "-CAfile", files["root"], "-verify_other", files["issuing"])
	if !ok || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, want) {
		t.Errorf("by GET openssl ocsp said\n%s", out)
	}
}

// A CRL without entries, one without reasons and one with dates past 2049 verify as well.
func TestOpenSSLReadsEveryShape(t *testing.T) {
	house := newCRLHouse(t, crlKey(t, "P-256"))
	issuing := crlPEM(t, "issuing.pem", house.issuing.Certificate)
	for name, test := range map[string]struct {
		entries int
		drop    bool
		now     time.Time
		want    []string
	}{
		"empty":        {0, false, crlStart, []string{"No Revoked Certificates", "Last Update: Nov  3 10:20:30 2026 GMT"}},
		"reasons":      {300, false, crlStart, []string{"Serial Number: 012C", "Superseded", "Certificate Hold"}},
		"dropped":      {300, true, crlStart, []string{"Serial Number: 012C"}},
		"past 2049":    {3, false, crlStart.AddDate(30, 0, 0), []string{"Last Update: Nov  3 10:20:30 2056 GMT", "Revocation Date: Nov  3 10:20:30 2056 GMT"}},
		"turn of 2050": {3, false, time.Date(2049, 12, 31, 23, 30, 0, 0, time.UTC), []string{"Last Update: Dec 31 23:30:00 2049 GMT", "Next Update: Jan  1 23:30:00 2050 GMT"}},
	} {
		store, now := newCRLStore(), &crlClock{now: test.now}
		for i := range test.entries {
			serial := issuance.SerialOf(big.NewInt(int64(i) + 1))
			status, reason := issuance.Revoked, issuance.Superseded
			if i%2 == 0 {
				status, reason = issuance.Held, issuance.CertificateHold
			}
			crlChange(t, store, serial, status, reason, test.now, test.now.AddDate(1, 0, 0))
		}
		p := &Publisher{Store: store, Issuers: []Issuer{house.issuing}, Now: now.Now, Log: crlLog(t), DropReasons: test.drop}
		if err := p.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		c, err := p.CRL("issuing-1")
		if err != nil {
			t.Fatal(err)
		}
		out, ok := crlOpenSSL(t, "crl", "-inform", "DER", "-in", crlFile(t, "issuing.crl", c), "-CAfile", issuing, "-verify", "-noout", "-text")
		if !ok || !strings.Contains(out, "verify OK") {
			t.Errorf("%s: openssl crl said\n%s", name, out)
		}
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: openssl crl does not print %q", name, want)
			}
		}
		if test.drop && strings.Contains(out, "Reason") {
			t.Errorf("%s: there are reasons", name)
		}
	}
}
