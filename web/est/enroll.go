package est

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// CodeMissing is the error code for a renewal without a client certificate.
const CodeMissing issuance.Code = "certificate-missing"

// enroll issues a first certificate (RFC 7030, section 4.2.1). The link's token is the
// user name, the one-time code the password (section 3.2.3).
func (e *EST) enroll(w http.ResponseWriter, r *http.Request) {
	token, code, ok := r.BasicAuth()
	if !ok || token == "" {
		e.refuse(w, r, &issuance.Error{
			Kind: issuance.Denied, Code: issuance.CodeUnauthenticated, Message: "the user name and password are missing",
			Hint: "use the last part of the e-mailed link as the user name and the code from the SMS as the password",
		})
		return
	}
	csr, err := readCSR(r)
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	_, f, err := e.Enroll(r.Context(), issuance.Enrollment{
		Token: issuance.NewSecret([]byte(token)), Code: code, Claim: issuance.ClaimRequest{CSR: csr},
	})
	e.deliver(w, r, f, err)
}

// reenroll renews the certificate that the client presents (RFC 7030, section 4.2.2).
func (e *EST) reenroll(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		e.refuse(w, r, &issuance.Error{
			Kind: issuance.Denied, Code: CodeMissing, Message: "no client certificate was presented",
			Hint: "connect with the certificate to renew and its key; for a first certificate use simpleenroll",
		})
		return
	}
	// Read before anything is refused: a connection that ends with bytes unread is
	// reset, and the reason may not arrive.
	csr, unread := readCSR(r)
	known, err := e.Check(r.Context(), r.TLS.PeerCertificates[0])
	if known.Serial != "" {
		server.By(w, known.Holder())
	}
	if issuance.KindOf(err) == issuance.Denied {
		e.Refused(r.Context(), known, err)
	}
	if err != nil {
		w.Header().Set("Connection", "close") // the next one meets the check of the handshake
		e.refuse(w, r, err)
		return
	}
	if unread != nil {
		e.refuse(w, r, unread)
		return
	}
	f, err := e.Reenroll(r.Context(), known.Serial, csr)
	e.deliver(w, r, f, err)
}

// deliver answers with the certificate only (RFC 7030, section 4.2.3): cacerts returns
// the CAs above it.
func (e *EST) deliver(w http.ResponseWriter, r *http.Request, f issuance.File, err error) {
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	e.certificates(w, r, f.Certificate.DER)
}

// readCSR reads a PKCS #10 request in base64 (RFC 7030, section 4.2.1), whatever
// Content-Transfer-Encoding says (RFC 8951, section 3).
func readCSR(r *http.Request) ([]byte, error) {
	said := r.Header.Values("Content-Type")
	if mediaType, _, err := mime.ParseMediaType(strings.Join(said, ",")); err != nil || mediaType != "application/pkcs10" {
		return nil, &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeMediaType, Message: "the Content-Type is not application/pkcs10",
			Hint: "send the CSR in DER, encoded in base64, with Content-Type: application/pkcs10",
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(body, []byte("PRIVATE KEY-----")) {
		return body, nil // whoever reads CSRs says what that means
	}
	text := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" \t\r\n\ufeff", c) {
			return -1
		}
		return c
	}, string(body))
	if text == "" {
		return nil, issuance.Invalidf("csr", "is empty", "send the CSR in DER, encoded in base64, as the body of the request")
	}
	csr, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, &issuance.Error{
			Kind: issuance.Invalid, Code: server.CodeSyntax, Message: "the body is not base64",
			Hint: "send the CSR in DER, encoded in base64: openssl req -in client.csr -outform DER | base64",
		}
	}
	return csr, nil
}
