package contact

import (
	"bytes"
	"crypto/x509"
	"io"
	"mime/multipart"
	"net/http"
	"unicode/utf8"

	"github.com/postern-ca/postern/issuance"
)

// The error codes for a CSR that does not reach the registrar.
const (
	codeEmptyCSR   issuance.Code = "csr-empty"
	codePrivateKey issuance.Code = "private-key"
)

// choice reads what is asked for: a target and a key, or a CSR as text or file,
// for which the certificate may come in several formats.
func choice(r *http.Request) (q issuance.ClaimRequest, err error) {
	if _, err := parseChainFormat(r.PostForm.Get("format")); err != nil {
		return q, err
	}
	q.Target, q.Key = r.PostForm.Get("target"), r.PostForm.Get("key")
	csr, brought, err := csrOf(r)
	switch {
	case err != nil:
		return q, err
	case brought && len(csr) == 0:
		return q, emptyCSRError()
	case holdsPrivateKey(csr):
		return q, privateKeyError()
	}
	q.CSR = csr
	return q, nil
}

// csrOf returns the CSR in a form. Brought reports whether it has a field for one, even
// an empty one: a contact who sends the field wants to keep their key, and must not get
// another.
func csrOf(r *http.Request) (csr []byte, brought bool, err error) {
	for _, name := range []string{"csr", "csr_file"} {
		for _, text := range r.PostForm[name] {
			brought = true
			if b := filled([]byte(text)); len(b) > 0 {
				csr = b
			}
		}
	}
	if r.MultipartForm == nil {
		return csr, brought, nil
	}
	for _, name := range []string{"csr", "csr_file"} {
		for _, file := range r.MultipartForm.File[name] {
			brought = true
			b, err := contentOf(file)
			if err != nil {
				return nil, brought, issuance.Invalidf("csr", "the file cannot be read", "choose it again")
			}
			if b = filled(b); len(b) > 0 {
				csr = b
			}
		}
	}
	return csr, brought, nil
}

func contentOf(file *multipart.FileHeader) ([]byte, error) {
	f, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it is in memory, or was read
	return io.ReadAll(f)
}

// filled returns b, or nothing if b is blank. DER is returned unchanged.
func filled(b []byte) []byte {
	if len(bytes.Trim(b, " \t\r\n\v\f\x00\ufeff\u00a0")) == 0 {
		return nil
	}
	return b
}

// holdsPrivateKey reports whether b contains a private key, in PEM or alone in DER.
func holdsPrivateKey(b []byte) bool {
	if bytes.Contains(b, []byte("PRIVATE KEY-----")) || bytes.Contains(b, []byte("PuTTY-User-Key-File-")) {
		return true
	}
	const sequence = 0x30 // every DER structure that can be a key begins with it
	if len(b) == 0 || b[0] != sequence {
		return false
	}
	_, pkcs8 := x509.ParsePKCS8PrivateKey(b)
	_, pkcs1 := x509.ParsePKCS1PrivateKey(b)
	_, sec1 := x509.ParseECPrivateKey(b)
	return pkcs8 == nil || pkcs1 == nil || sec1 == nil
}

func emptyCSRError() *issuance.Error {
	return &issuance.Error{
		Kind: issuance.Invalid, Code: codeEmptyCSR, Field: "csr", Message: "the CSR is empty",
		Hint: "check the name of its file; with curl write --data-urlencode csr@FILE or --form csr=@FILE. Leave the " +
			"field out to get a PKCS#12 file instead",
	}
}

func privateKeyError() *issuance.Error {
	return &issuance.Error{
		Kind: issuance.Invalid, Code: codePrivateKey, Field: "csr",
		Message: "a private key was sent; it has left your machine and is no longer secret",
		Hint:    "delete that key, make a new key and a new CSR, and send the CSR alone; nothing that was sent is kept",
	}
}

// echo returns the part of a refused CSR that is shown again: never a key, and only
// text.
func echo(csr []byte) string {
	if holdsPrivateKey(csr) || !utf8.Valid(csr) {
		return ""
	}
	return string(csr)
}
