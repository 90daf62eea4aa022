package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"github.com/postern-ca/postern/ca/badkeys"
	"github.com/postern-ca/postern/issuance"
)

// maxCSR is the most bytes of a CSR; an RSA-4096 one with every usual attribute has 3 kB.
const maxCSR = 64 << 10

// ReadCSR returns the public key of a PKCS #10 request (RFC 2986), in DER or as one
// PEM block (RFC 7468), whose signature proves that the sender has the private key.
// Nothing else in the request counts: its subject, names, extensions and attributes
// are ignored, so they may be anything. Every refusal is an [*issuance.Error] of
// kind Invalid and code CodeCSR with a reason of its own. A key is refused, too,
// whose private half is known to [badkeys.Problem].
func ReadCSR(data []byte) (crypto.PublicKey, error) { return readCSR(data, badkeys.Problem) }

// CSRReader returns ReadCSR with another answer to which keys are known not to be
// secret: blocked says why a key is not certified, "" for nothing.
func CSRReader(blocked func(crypto.PublicKey) string) func([]byte) (crypto.PublicKey, error) {
	return func(data []byte) (crypto.PublicKey, error) { return readCSR(data, blocked) }
}

func readCSR(data []byte, blocked func(crypto.PublicKey) string) (crypto.PublicKey, error) {
	if len(data) > maxCSR {
		return nil, refuseCSR("is larger than 64 kB", "send only the CSR; it is about 1 kB")
	}
	der, err := csrDER(bytes.TrimPrefix(data, []byte(byteOrderMark)))
	if err != nil {
		return nil, err
	}
	request, err := splitCSR(der)
	if err != nil {
		return nil, explainDER(der, err)
	}
	// Our own reading of the key comes first: it says why a key is refused, and
	// no expensive arithmetic is done on what it refuses.
	if err := checkCSRKey(request.key); err != nil {
		return nil, err
	}
	csr, err := request.bare()
	if err != nil {
		return nil, refuseCSR("cannot be read: "+strings.TrimPrefix(err.Error(), "x509: "), csrHint)
	}
	if problem := blocked(csr.PublicKey); problem != "" {
		return nil, refuseCSR("the key cannot be certified: "+problem, keyHint)
	}
	if err := checkCSRSignature(csr); err != nil {
		return nil, err
	}
	if _, err := KeyAlgorithmOf(csr.PublicKey); err != nil {
		return nil, refuseCSR(err.Error(), keyHint)
	}
	return csr.PublicKey, nil
}

const csrHint = "make the CSR again: openssl req -new -key client.key -subj /CN=client -out client.csr"

func refuseCSR(message, hint string) *issuance.Error {
	return &issuance.Error{Kind: issuance.Invalid, Code: issuance.CodeCSR, Field: "csr", Message: message, Hint: hint}
}

func checkCSRSignature(csr *x509.CertificateRequest) error {
	switch csr.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		return refuseCSR("is signed with an insecure hash, "+csr.SignatureAlgorithm.String(),
			"make the CSR again with SHA-256 (openssl req -new -sha256 ...)")
	case x509.UnknownSignatureAlgorithm:
		return refuseCSR("is signed with an unknown algorithm", "make the CSR again with SHA-256 (openssl req -new -sha256 ...)")
	}
	if err := csr.CheckSignature(); err != nil {
		return refuseCSR("its signature is wrong, so it does not prove that you have the private key",
			"make the CSR again with the key that the certificate is for; if you copied it by hand, copy the "+
				"whole file")
	}
	return nil
}

// byteOrderMark is U+FEFF in UTF-8, which editors on Windows put before a text.
const byteOrderMark = "\ufeff"

// csrDER takes a request out of its PEM armour, if it has one.
func csrDER(data []byte) ([]byte, error) {
	const begin = "-----BEGIN "
	switch blocks := bytes.Count(data, []byte(begin)); {
	case len(bytes.TrimSpace(data)) == 0:
		return nil, refuseCSR("is empty", "send the file that begins with -----BEGIN CERTIFICATE REQUEST-----")
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return nil, refuseCSR("is saved as UTF-16 text",
			"save the file as plain ASCII text, or send the file exactly as your tool wrote it")
	case hasPrivateKey(data):
		return nil, refuseCSR(privateKeyMessage, privateKeyHint)
	case blocks == 0 && data[0] == 0x30:
		return data, nil
	case blocks == 0:
		return nil, refuseCSR("is neither PEM nor DER", "send the whole file that begins with -----BEGIN CERTIFICATE REQUEST-----")
	case blocks > 1:
		return nil, refuseCSR("has more than one PEM block", "send only the CERTIFICATE REQUEST block")
	}
	block, rest := pem.Decode(data)
	switch {
	case block == nil:
		return nil, refuseCSR("its PEM block is broken", "send the file as it was written, from -----BEGIN to the end of the last line")
	case block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST":
		return nil, refuseCSR("its PEM block is not a CERTIFICATE REQUEST", csrHint)
	case len(block.Headers) > 0:
		return nil, refuseCSR("its PEM block has headers", "send the CSR as it was written, unencrypted and without headers")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, refuseCSR("has something after its PEM block", "send only the CERTIFICATE REQUEST block")
	}
	return block.Bytes, nil
}
