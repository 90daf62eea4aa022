package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

// opensslCSR returns a request that openssl makes for an alternative name, and
// its key, both in PEM.
func opensslCSR(t *testing.T, san string) (csr, key []byte) {
	t.Helper()
	dir := t.TempDir()
	keyFile, file := filepath.Join(dir, "client.key"), filepath.Join(dir, "client.csr")
	authorityRun(t, nil, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", keyFile)
	authorityRun(t, nil, "openssl", "req", "-new", "-key", keyFile, "-subj", "/CN=client", "-addext", "subjectAltName="+san, "-out", file)
	return readFile(t, file), readFile(t, keyFile)
}

// gnutlsCSR returns a request that GnuTLS makes for an attribute of the subject,
// of a string type that the value may not have.
func gnutlsCSR(t *testing.T, attribute string, stringType byte, value string) []byte {
	t.Helper()
	dir := t.TempDir()
	key, template, file := filepath.Join(dir, "client.key"), filepath.Join(dir, "template"), filepath.Join(dir, "client.csr")
	raw := append([]byte{stringType, byte(len(value))}, value...)
	writeFileFor(t, template, []byte("dn = \""+attribute+"=#"+hex.EncodeToString(raw)+"\"\n"))
	authorityRun(t, nil, "certtool", "--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", key)
	authorityRun(t, nil, "certtool", "--generate-request", "--load-privkey", key, "--template", template, "--outfile", file)
	return readFile(t, file)
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFileFor(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRequestsThatOthersReadAreRead has requests of real programs, whose names
// crypto/x509 or the standards do not take: only the key of a request counts.
func TestRequestsThatOthersReadAreRead(t *testing.T) {
	const printable, ia5 = 0x13, 0x16
	openssl := func(san string) []byte {
		csr, _ := opensslCSR(t, san)
		return csr
	}
	for name, csr := range map[string][]byte{
		"PrintableString with !":    gnutlsCSR(t, "CN", printable, "payments!"),
		"PrintableString with @":    gnutlsCSR(t, "CN", printable, "payments@acme"),
		"PrintableString with _":    gnutlsCSR(t, "CN", printable, "pay_ments"),
		"PrintableString in UTF-8":  gnutlsCSR(t, "CN", printable, "Zürich"),
		"IA5String with UTF-8":      gnutlsCSR(t, "EMAIL", ia5, "jürgen@acme.example"),
		"a dNSName in UTF-8":        openssl("DNS:zürich.example"),
		"an rfc822Name in UTF-8":    openssl("email:jürgen@acme.example"),
		"a URI that does not parse": openssl("URI:http://[acme example%zz"),
		"an IP of three octets":     openssl("DER:30:05:87:03:0a:00:01"),
		"a SAN that is no DER":      openssl("DER:30:7f:87"),
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ReadCSR(csr)
			if err != nil {
				t.Fatal(err)
			}
			wantOpensslKey(t, csr, key)
			block, _ := pem.Decode(csr)
			flipped := bytes.Clone(block.Bytes)
			flipped[bytes.Index(flipped, []byte{0x55, 4, 3})+6] ^= 1 // the signature covers what is not looked at
			if _, err := ReadCSR(flipped); err == nil {
				t.Error("a request with a subject that was changed after signing is taken")
			}
		})
	}
}

// wantOpensslKey fails unless key is what openssl reads in the request.
func wantOpensslKey(t *testing.T, csr []byte, key any) {
	t.Helper()
	want := authorityRun(t, csr, "openssl", "req", "-noout", "-pubkey")
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(authorityPEM("PUBLIC KEY", der)); got != want {
		t.Errorf("got the key\n%s, openssl reads\n%s", got, want)
	}
}

// TestTheFileOfARequestMayHaveAByteOrderMark, as Notepad saves it, or have what
// programs print around it.
func TestTheFileOfARequestMayHaveAByteOrderMark(t *testing.T) {
	csr, _ := opensslCSR(t, "DNS:acme.example")
	crlf := bytes.ReplaceAll(csr, []byte("\n"), []byte("\r\n"))
	text := []byte(authorityRun(t, csr, "openssl", "req", "-text"))
	for name, data := range map[string][]byte{
		"a mark": csr, "a mark and lines of Windows": crlf, "a mark and text": text,
	} {
		if _, err := ReadCSR(append([]byte(byteOrderMark), data...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := ReadCSR([]byte(byteOrderMark))
	authorityCheckRefusal(t, err, "is empty")
}

// TestAPrivateKeyBesideTheRequestIsWarnedAbout: it has left the machine, however
// it is written and whatever else is in the file.
func TestAPrivateKeyBesideTheRequestIsWarnedAbout(t *testing.T) {
	csr, key := opensslCSR(t, "DNS:acme.example")
	sec1 := []byte(authorityRun(t, key, "openssl", "ec"))
	locked := []byte(authorityRun(t, key, "openssl", "pkcs8", "-topk8", "-passout", "pass:secret"))
	der := []byte(authorityRun(t, key, "openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "DER"))
	dir := t.TempDir()
	keyFile, cert := filepath.Join(dir, "key"), filepath.Join(dir, "cert")
	writeFileFor(t, keyFile, key)
	authorityRun(t, nil, "openssl", "req", "-x509", "-key", keyFile, "-subj", "/CN=x", "-out", cert)
	p12 := []byte(authorityRun(t, nil, "openssl", "pkcs12", "-export", "-in", cert, "-inkey", keyFile, "-passout", "pass:secret"))
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, []byte("\n")) }
	for name, data := range map[string][]byte{
		"request, key":            join(csr, key),
		"key, request":            join(key, csr),
		"SEC 1":                   join(csr, sec1),
		"a key with a passphrase": join(csr, locked),
		"a broken key":            join(csr, key[:len(key)/2]),
		"a mark, key, request":    join([]byte(byteOrderMark), key, csr),
		"PuTTY's":                 []byte("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"),
		"a key in DER":            der,
		"a key as a request":      authorityCSRPEM(der),
		"PKCS #12":                p12,
	} {
		_, err := ReadCSR(data)
		if err == nil {
			t.Errorf("%s: it was accepted", name)
			continue
		}
		got := authorityError(t, err)
		if got.Kind != issuance.Invalid || !strings.Contains(got.Message, "private key") || !strings.Contains(got.Hint, "has left your machine") {
			t.Errorf("%s: got %q (%s)", name, got.Message, got.Hint)
		}
	}
}
