package main

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"testing"
)

// TestESTTakesWhatProgramsSend: requests that other programs make, in lines or with
// a byte order mark, over each version of TLS.
func TestESTTakesWhatProgramsSend(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	password := "[req]\nprompt=no\ndistinguished_name=n\nattributes=a\n[n]\nCN=any\n[a]\nchallengePassword=no tls-unique\n"
	h.write("challenge.cnf", []byte(password))
	for name, extra := range map[string][]string{
		"challengePassword": {"-config", "challenge.cnf"}, // RFC 7030, section 3.5: not looked at
		"odd-name":          {"-subj", "/CN=any", "-addext", "subjectAltName=DNS:zürich.example"},
	} {
		for _, version := range [][]string{{"--tls-max", "1.2"}, {"--tlsv1.3"}} {
			token, code := h.invite()
			h.key(name, extra...)
			h.certificates(h.curl(simpleEnroll, name+".csr", append(version, "-u", token+":"+code)...))
		}
	}
	token, code := h.invite()
	h.key("lines")
	h.run("openssl", "base64", "-in", "lines.csr", "-out", "lines.b64")
	text := h.run("cat", "lines.b64")
	h.write("lines.b64", append([]byte("\ufeff"), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...))
	h.certificates(h.curl(simpleEnroll, "", "-u", token+":"+code, "-H", "Content-Type: application/pkcs10", "--data-binary", "@lines.b64"))
}

// TestESTWarnsOfAPrivateKey in the body, alone or beside the request, as it is or in base64.
func TestESTWarnsOfAPrivateKey(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	token, code := h.invite()
	h.key("first")
	both := append(h.run("openssl", "req", "-in", "first.csr", "-inform", "DER"), h.run("cat", "first.key")...)
	for name, body := range map[string][]byte{"both": both, "encoded": []byte(base64.StdEncoding.EncodeToString(both))} {
		h.write(name, body)
		r := h.curl(simpleEnroll, "", "-u", token+":"+code, "-H", "Content-Type: application/pkcs10", "--data-binary", "@"+name)
		h.refused(name, r, http.StatusBadRequest, "contains a private key")
		h.refused(name, r, http.StatusBadRequest, "has left your machine")
	}
	if n := h.attempts(); n != 0 {
		t.Errorf("%d tries were counted, want none", n)
	}
}

// TestESTAnswersBelowALabel, which some clients must send: there is one CA to choose.
func TestESTAnswersBelowALabel(t *testing.T) {
	t.Parallel()
	h := newESTHouse(t)
	token, code := h.invite()
	if got := h.certificates(h.curl("/.well-known/est/Client-CA_1.0~x/cacerts", "")); len(got) != 2 {
		t.Errorf("cacerts: %d certificates", len(got))
	}
	if r := h.curl("/.well-known/est/ca/csrattrs", ""); r.status != http.StatusOK {
		t.Errorf("csrattrs: %d %s", r.status, r.body)
	}
	h.key("first")
	h.write("first.pem", pemOf(h.certificates(h.curl("/.well-known/est/ca/simpleenroll", "first.csr", "-u", token+":"+code))[0].Raw))
	h.successor("second", "first.pem")
	h.certificates(h.curl("/.well-known/est/other/simplereenroll", "second.csr", "--cert", "first.pem", "--key", "first.key"))
	h.refused("without the certificate", h.curl("/.well-known/est/other/simplereenroll", "second.csr"), http.StatusForbidden, "no client certificate")
	h.refused("without the code", h.curl("/.well-known/est/ca/simpleenroll", "first.csr"), http.StatusUnauthorized, "user name and password are missing")
	// Without the headers of most clients (strongSwan's pki reads one line), a label still gets lines.
	bare := []string{"-H", "User-Agent:", "-H", "Accept:"}
	for path, lines := range map[string]int{"cacerts": 0, "ca/cacerts": 2} {
		if r := h.curl("/.well-known/est/"+path, "", bare...); r.status != http.StatusOK || min(bytes.Count(r.body, []byte("\n")), 2) != lines {
			t.Errorf("%s without User-Agent and Accept: %d in %d lines", path, r.status, bytes.Count(r.body, []byte("\n")))
		}
	}
	for _, path := range []string{"a/b/cacerts", "ca/whoami", "/cacerts", "a%2fb/cacerts", "a%20b/cacerts", "ca/serverkeygen", "ca"} {
		h.refused(path, h.curl("/.well-known/est/"+path, ""), http.StatusNotFound, "nothing at this address")
	}
}
