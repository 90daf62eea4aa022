package cli

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// takes says what certificates, and what belongs to them, can be found by.
const takes = "a serial number, fingerprint, CN, service, SPIFFE ID, mail address, phone number, organisation, " +
	"or the id of an order, message or contact"

// fileHint says which files name a certificate.
const fileHint = "name a file with a certificate in PEM or DER"

// nowhere is the error for something that matches nothing. What ends like a file name is
// assumed to be one.
func nowhere(arg string) error {
	hint := "give all of " + takes + "; of a serial number, the last eight digits are enough; or " + fileHint
	if isFileName(arg) {
		hint = "there is no file " + arg + " in this folder: " + fileHint + ", or give its serial number"
	}
	return &issuance.Error{Kind: issuance.NotFound, Message: "nothing is known by " + issuance.Quoted(arg), Hint: hint}
}

func isFileName(arg string) bool {
	endings := []string{".p12", ".pfx", ".jks", ".pem", ".crt", ".cer", ".der", ".p7b", ".p7c", ".key", ".csr"}
	return slices.Contains(endings, strings.ToLower(filepath.Ext(arg)))
}

// notCertificate is the error for a file without a readable certificate, err. For a file
// that is locked with a password it says how to get the certificate out.
func notCertificate(name string, text []byte, err error) error {
	message, hint := err.Error(), "give a certificate in PEM or DER"
	const orSerial = ", or give the serial number, whose end is in the SMS with the password"
	switch {
	case isPKCS12(text):
		message = "it is a PKCS#12 file, which only its password opens"
		hint = "use `openssl pkcs12 -in " + quoted(name) + " -clcerts -nokeys | postern find -`" + orSerial
	case bytes.HasPrefix(text, []byte{0xfe, 0xed, 0xfe, 0xed}):
		message = "it is a Java keystore"
		hint = "use `keytool -exportcert -rfc -keystore " + quoted(name) + " -alias ALIAS | postern find -`" + orSerial
	}
	return issuance.Invalidf("", name+": "+message, hint)
}

// isPKCS12 reports whether text begins like a PFX (RFC 7292, section 4), in DER or
// BER: a sequence of version 3 and another sequence.
func isPKCS12(text []byte) bool {
	begin := text[:min(len(text), 12)]
	return bytes.HasPrefix(begin, []byte{0x30}) && bytes.Contains(begin, []byte{2, 1, 3, 0x30})
}

// quoted returns s as a shell reads it.
func quoted(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// mostFile is the longest file with a certificate that is read.
const mostFile = 1 << 20

// inHand returns what the API is asked for: the argument as typed or, if it names a file
// with a certificate or is - for standard input, the certificate's fingerprint.
func inHand(arg string, in io.Reader) (string, error) {
	var text []byte
	var err error
	path := strings.ContainsAny(arg, `/\`) && !strings.Contains(arg, "://") && !strings.Contains(arg, "=")
	if arg == "-" {
		text, err = io.ReadAll(io.LimitReader(in, mostFile))
	} else if info, e := os.Stat(arg); e == nil && info.Mode().IsRegular() && info.Size() <= mostFile {
		path = path || strings.ContainsRune(arg, '.')
		text, err = os.ReadFile(arg)
	} else if path {
		return "", issuance.Invalidf("", "there is no file "+arg+" of a certificate's size", fileHint)
	} else {
		return arg, nil
	}
	if err != nil {
		return "", fmt.Errorf("reading a certificate: %w", err)
	}
	der, err := leaf(text)
	if err != nil && (path || arg == "-") {
		return "", notCertificate(arg, text, err)
	} else if err != nil {
		return arg, nil // a file that has a service's name by chance
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// leaf returns the first certificate in a file that is not a CA's.
func leaf(text []byte) ([]byte, error) {
	if c, err := x509.ParseCertificate(text); err == nil {
		return c.Raw, nil
	}
	rest := bytes.TrimPrefix(text, []byte("\ufeff"))
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("there is no client's certificate in it")
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && !c.IsCA {
			return c.Raw, nil
		}
	}
}
