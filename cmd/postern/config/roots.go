package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
)

// Roots returns the certificates in the PEM file at path: the only CAs that a connection
// accepts. It returns nil, for those of the system, if path is "". Its error says what
// is wrong with the file and what to do.
func Roots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong(path+" cannot be read: "+reason(err), "make it readable for the user that runs Postern")
	}
	const hint = "use a file with the CA's certificate in PEM; it may contain several"
	pool, found := x509.NewCertPool(), false
	for block, rest := pem.Decode(withoutBOM(text)); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, wrong(path+" contains a private key", hint)
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, wrong(path+" has a certificate that cannot be read: "+err.Error(), hint)
		}
		pool.AddCert(c)
		found = true
	}
	if !found {
		return nil, wrong(path+" has no certificate in PEM", hint)
	}
	return pool, nil
}

// roots reports a file of CAs that cannot be used.
func (k checker) roots(key, path string) {
	if _, err := Roots(path); err != nil {
		message, hint := told(err)
		k.say(key, message, hint)
	}
}

// withoutBOM returns text without the mark that some editors put first.
func withoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\ufeff")) }
