package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	privateKeyMessage = "has a private key in it, which nobody else may ever see"
	privateKeyHint    = "make a new key, since this one has left your machine, and send the CSR made with it"
)

// longestKey is more octets than any private key of use has.
const longestKey = 8 << 10

// hasPrivateKey reports whether a text has a private key, alone or beside a
// request, whole or broken: in PEM, as OpenSSH's or as PuTTY's.
func hasPrivateKey(text []byte) bool {
	return bytes.Contains(text, []byte("PRIVATE KEY-----")) || bytes.Contains(text, []byte("PuTTY-User-Key-File-"))
}

// explainDER returns the reason why der is no request: that it is something else,
// or the given one.
func explainDER(der []byte, given error) error {
	if isPKCS12(der) {
		return refuseCSR(privateKeyMessage+": it is a PKCS #12 file", privateKeyHint)
	}
	if len(der) > longestKey { // reading a private key takes time that grows with its cube
		return given
	}
	if _, err := x509.ParseCertificate(der); err == nil {
		return refuseCSR("is a certificate, not a CSR", csrHint)
	}
	_, pkcs8 := x509.ParsePKCS8PrivateKey(der)
	_, pkcs1 := x509.ParsePKCS1PrivateKey(der)
	_, sec1 := x509.ParseECPrivateKey(der)
	if pkcs8 == nil || pkcs1 == nil || sec1 == nil {
		return refuseCSR(privateKeyMessage, privateKeyHint)
	}
	return given
}

// isPKCS12 reports whether der begins as a PFX (RFC 7292, section 4) does.
func isPKCS12(der []byte) bool {
	var pfx, safe cryptobyte.String
	var version int
	var kind asn1.ObjectIdentifier
	input := cryptobyte.String(der)
	return input.ReadASN1(&pfx, cbasn1.SEQUENCE) && pfx.ReadASN1Integer(&version) && version == 3 &&
		pfx.ReadASN1(&safe, cbasn1.SEQUENCE) && safe.ReadASN1ObjectIdentifier(&kind)
}
