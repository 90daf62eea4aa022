package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

const (
	simpleEnroll   = "/.well-known/est/simpleenroll"
	simpleReenroll = "/.well-known/est/simplereenroll"
)

// refused fails unless r has the status and tells the reason in plain text.
func (h *estHouse) refused(what string, r reply, status int, reason string) {
	h.t.Helper()
	if r.status != status || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") || !bytes.Contains(r.body, []byte(reason)) {
		h.t.Errorf("%s: got %d %s %q, want %d and %q", what, r.status, r.header.Get("Content-Type"), r.body, status, reason)
	}
	if _, challenged := r.header["Www-Authenticate"]; challenged != (status == http.StatusUnauthorized) {
		h.t.Errorf("%s: %d with the header WWW-Authenticate %q", what, r.status, r.header["Www-Authenticate"])
	}
}

// cut fails unless the connection ended without an answer. Under TLS 1.3 curl may
// see the server's alert, or only that the connection is gone.
func (h *estHouse) cut(what string, r reply) {
	h.t.Helper()
	if r.status != 0 {
		h.t.Errorf("%s: got %d %s, want the handshake refused", what, r.status, r.body)
	}
}

func (h *estHouse) attempts() int {
	h.t.Helper()
	var o struct{ Attempts int }
	must(h.t, h.api(h.t.Context(), http.MethodGet, "/orders/"+h.order, nil, &o))
	return o.Attempts
}

// TestESTOpensWithoutACertificate: what needs none, and that all else needs one.
func TestESTOpensWithoutACertificate(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	if got := h.certificates(h.curl("/.well-known/est/cacerts", "")); len(got) != 2 || !got[0].Equal(h.h.authority.Root()) {
		t.Errorf("cacerts: %d certificates", len(got))
	}
	r := h.curl("/.well-known/est/csrattrs", "")
	h.write("attributes.b64", r.body)
	h.run("openssl", "base64", "-d", "-in", "attributes.b64", "-out", "attributes.der")
	read := h.run("openssl", "asn1parse", "-inform", "DER", "-in", "attributes.der")
	if r.header.Get("Content-Type") != "application/csrattrs" || !bytes.Contains(read, []byte("prime256v1")) || !bytes.Contains(read, []byte("ecdsa-with-SHA256")) {
		t.Errorf("csrattrs: %d %v, in which openssl reads\n%s", r.status, r.header, read)
	}
	for _, path := range []string{"/whoami", "/nothing", "/", "/.well-known/est", "/.well-known/", "//.well-known/est/cacerts", "/whoami/.well-known/est/cacerts"} {
		if r := h.curl(path, ""); r.status != http.StatusForbidden || !bytes.Contains(r.body, []byte(`"certificate-missing"`)) {
			t.Errorf("%s without a certificate: %d %s", path, r.status, r.body)
		}
	}
	if r := h.curl("/.well-known/est/%2e%2e/%2e%2e/whoami", "", "--path-as-is"); r.status != http.StatusNotFound {
		t.Errorf("out of EST's paths: %d %s", r.status, r.body)
	}
	h.key("any")
	h.refused("serverkeygen", h.curl("/.well-known/est/serverkeygen", "any.csr"), http.StatusNotFound, "nothing at this address")
	for path, allow := range map[string]string{"cacerts": "GET, HEAD", "csrattrs": "GET, HEAD", "simpleenroll": "POST", "simplereenroll": "POST"} {
		method := map[string]string{"GET, HEAD": "POST", "POST": "GET"}[allow]
		r := h.curl("/.well-known/est/"+path, "", "-X", method)
		h.refused(method+" "+path, r, http.StatusMethodNotAllowed, "use "+allow)
		if got := r.header.Get("Allow"); got != allow {
			t.Errorf("%s allows %q, want %q", path, got, allow)
		}
	}
}

func TestESTRefusesToEnroll(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	token, code := h.invite()
	wrong := "00000000"
	if code == wrong {
		wrong = "00000001"
	}
	h.key("first")
	h.key("other")
	h.run("openssl", "genrsa", "-out", "weak.key", "1024")
	h.request("weak", "weak.key")
	h.write("garbage.csr", []byte("0\x03abc"))
	h.write("empty.csr", nil)
	h.write("large.csr", bytes.Repeat([]byte("x"), 64<<10))
	h.write("rubbish", []byte("not base64!"))

	h.refused("nobody", h.curl(simpleEnroll, "first.csr"), http.StatusUnauthorized, "user name and password are missing")
	h.refused("an unknown token", h.curl(simpleEnroll, "first.csr", "-u", strings.Repeat("A", 43)+":"+code), http.StatusUnauthorized, "this link is not valid")
	// What is refused before the code is looked at.
	with := []string{"-u", token + ":" + code}
	h.refused("another media type", h.curl(simpleEnroll, "first.csr", append(with, "-H", "Content-Type: application/json")...), http.StatusUnsupportedMediaType, "application/pkcs10")
	h.refused("no base64", h.curl(simpleEnroll, "", append(with, "-H", "Content-Type: application/pkcs10", "--data-binary", "@rubbish")...), http.StatusBadRequest, "not base64")
	h.refused("nothing", h.curl(simpleEnroll, "empty.csr", with...), http.StatusBadRequest, "csr: is empty")
	h.refused("no CSR", h.curl(simpleEnroll, "garbage.csr", with...), http.StatusBadRequest, "csr:")
	h.refused("too much", h.curl(simpleEnroll, "large.csr", with...), http.StatusRequestEntityTooLarge, "longer than")
	h.refused("RSA-1024", h.curl(simpleEnroll, "weak.csr", with...), http.StatusBadRequest, "1024 bits")
	h.refused("no eight digits", h.curl(simpleEnroll, "first.csr", "-u", token+":1234"), http.StatusUnauthorized, "eight digits")
	if n := h.attempts(); n != 0 {
		t.Errorf("%d tries were counted, want none yet", n)
	}
	h.refused("a wrong code", h.curl(simpleEnroll, "first.csr", "-u", token+":"+wrong), http.StatusUnauthorized, "2 tries left")
	if n := h.attempts(); n != 1 {
		t.Errorf("%d tries were counted, want 1", n)
	}
	got := h.certificates(h.curl(simpleEnroll, "first.csr", with...))
	// The answer was lost: the same key gets the same certificate, whatever the code.
	if again := h.certificates(h.curl(simpleEnroll, "first.csr", "-u", token+":")); !again[0].Equal(got[0]) {
		t.Error("the same key got another certificate when it asked again")
	}
	h.refused("another key", h.curl(simpleEnroll, "other.csr", with...), http.StatusUnauthorized, "this link is not valid")
	h.late.Store(int64(31 * time.Minute))
	h.refused("after the claim window", h.curl(simpleEnroll, "first.csr", with...), http.StatusUnauthorized, "this link is not valid")

	token, code = h.invite()
	for range 2 {
		h.refused("a wrong code", h.curl(simpleEnroll, "first.csr", "-u", token+":"+wrong), http.StatusUnauthorized, "left")
	}
	h.refused("the last try", h.curl(simpleEnroll, "first.csr", "-u", token+":"+wrong), http.StatusForbidden, "too many wrong codes")
	h.refused("the right code, too late", h.curl(simpleEnroll, "first.csr", "-u", token+":"+code), http.StatusForbidden, "too many wrong codes")
}

func TestESTRefusesToReenroll(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	cert := h.enroll("first")
	with := []string{"--cert", "first.pem", "--key", "first.key"}
	san := "subjectAltName=URI:" + cert.URIs[0].String()
	subject := "/O=" + cert.Subject.Organization[0] + "/CN=" + cert.Subject.CommonName
	h.key("bare", "-subj", subject)
	h.key("renamed", "-subj", subject+"x", "-addext", san)
	h.key("turned", "-subj", "/CN="+cert.Subject.CommonName+"/O="+cert.Subject.Organization[0], "-addext", san)
	h.key("more", "-subj", subject, "-addext", san+",DNS:more.example")
	h.run("openssl", "genrsa", "-out", "weak.key", "1024")
	h.request("weak", "weak.key", "-subj", subject, "-addext", san)
	h.key("second", "-subj", subject, "-addext", san)
	h.successor("third", "first.pem")

	h.refused("no certificate", h.curl(simpleReenroll, "second.csr"), http.StatusForbidden, "no client certificate")
	h.refused("another media type", h.curl(simpleReenroll, "second.csr", append(with, "-H", "Content-Type: text/plain")...), http.StatusUnsupportedMediaType, "application/pkcs10")
	h.refused("a changed subject", h.curl(simpleReenroll, "renamed.csr", with...), http.StatusBadRequest, "its subject differs")
	h.refused("a subject in another order", h.curl(simpleReenroll, "turned.csr", with...), http.StatusBadRequest, "its subject differs")
	h.refused("one more name", h.curl(simpleReenroll, "more.csr", with...), http.StatusBadRequest, "alternative names")
	h.refused("no alternative name", h.curl(simpleReenroll, "bare.csr", with...), http.StatusBadRequest, "alternative names")
	h.refused("RSA-1024", h.curl(simpleReenroll, "weak.csr", with...), http.StatusBadRequest, "1024 bits")

	second := h.certificates(h.curl(simpleReenroll, "second.csr", with...))[0]
	if again := h.certificates(h.curl(simpleReenroll, "second.csr", with...)); !again[0].Equal(second) {
		t.Error("the same key got another certificate when it asked again")
	}
	h.refused("a second successor", h.curl(simpleReenroll, "third.csr", with...), http.StatusConflict, "already been renewed")
	h.write("second.pem", pemOf(second.Raw))
	m, err := h.message(t.Context(), issuance.Mail, "renewed")
	must(t, err)
	if !strings.Contains(m.To, "@") {
		t.Errorf("the contact was not told: %+v", m)
	}

	// An expired certificate hears the reason, and is good for nothing.
	h.late.Store(int64(48 * time.Hour))
	h.refused("expired", h.curl(simpleReenroll, "second.csr", with...), http.StatusForbidden, "expired at")
	if r := h.curl("/whoami", "", with...); r.status != http.StatusForbidden || !bytes.Contains(r.body, []byte("certificate-expired")) {
		t.Errorf("/whoami with an expired certificate: %d %s", r.status, r.body)
	}
	h.late.Store(0)
}

// TestESTRefusesOthersAtTheHandshake: that no certificate is demanded does not
// mean that one which does not stand is let in.
func TestESTRefusesOthersAtTheHandshake(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	cert := h.enroll("first")
	h.successor("second", "first.pem")
	with := []string{"--cert", "first.pem", "--key", "first.key"}
	each := func(what string, with ...string) {
		t.Helper()
		h.cut(what+", cacerts", h.curl("/.well-known/est/cacerts", "", with...))
		h.cut(what+", simplereenroll", h.curl(simpleReenroll, "second.csr", with...))
		h.cut(what+", whoami", h.curl("/whoami", "", with...))
	}
	serial := "/certificates/" + string(issuance.SerialOf(cert.SerialNumber))
	var c struct{ Status string }
	must(t, h.api(t.Context(), http.MethodPost, serial+"/hold", map[string]string{}, &c))
	each("held", with...)
	must(t, h.api(t.Context(), http.MethodPost, serial+"/release", map[string]string{}, &c))
	h.wantIn("first")
	must(t, h.api(t.Context(), http.MethodPost, serial+"/revoke", map[string]string{"reason": "superseded"}, &c))
	each("revoked", with...)
	h.late.Store(int64(48 * time.Hour))
	each("revoked and expired", with...)
	h.late.Store(0)
	h.run("openssl", "req", "-x509", "-key", "second.key", "-subj", "/O=Acme/CN=payments", "-out", "self.pem")
	each("self-signed", "--cert", "self.pem", "--key", "second.key")
}
