package cli

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/durable"
)

// files are the files that a claim writes on this machine.
type files struct {
	dir     string // that the file goes to
	out     string // its name, "" for what the server calls it
	temp    *os.File
	request []byte           // the CSR in PEM, nil for a PKCS#12 file
	public  crypto.PublicKey // of the CSR
	made    string           // the key file that was made, "" for none
	asked   bool             // the server may have certified the key
	saved   bool
}

// prepare opens a file where the certificate will go, so that a full disk or a
// missing permission shows before anything is claimed.
func prepare(q claimRequest) (*files, error) {
	out := q.out
	if out == "" && q.newKey != "" {
		out = beside(q.newKey)
	}
	f := &files{dir: ".", out: out}
	for _, name := range []string{out, q.newKey} {
		if name == "" {
			continue
		}
		if _, err := os.Lstat(name); err == nil {
			return nil, &issuance.Error{
				Kind: issuance.Conflict, Message: name + " already exists",
				Hint: "choose another file; existing files are never replaced",
			}
		}
	}
	if out != "" {
		f.dir = filepath.Dir(out)
	}
	err := safedir.CheckSticky(f.dir)
	if err == nil && q.newKey != "" {
		err = safedir.CheckSticky(filepath.Dir(q.newKey))
	}
	if err != nil {
		return nil, fmt.Errorf("making a file for the certificate: %w", err)
	}
	f.temp, err = os.CreateTemp(f.dir, ".postern-*") // readable by its owner alone
	if err != nil {
		return nil, fmt.Errorf("making a file for the certificate: %w", err)
	}
	return f, nil
}

// beside returns the name of the chain that belongs to a key file.
func beside(key string) string {
	name := strings.TrimSuffix(key, filepath.Ext(key))
	if filepath.Ext(key) == ".pem" {
		return name + "-chain.pem"
	}
	return name + ".pem"
}

// makeRequest reads the CSR that q names, or makes a key and a CSR for it.
func (f *files) makeRequest(q claimRequest) (err error) {
	switch {
	case q.csr != "":
		f.request, f.public, err = readRequest(q.csr)
	case q.newKey != "":
		f.request, f.public, err = f.newKey(q)
	}
	return err
}

// readRequest reads a CSR, in PEM or DER, in the same way as the server. A private key
// beside it never leaves this machine.
func readRequest(name string) ([]byte, crypto.PublicKey, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the CSR: %w", err)
	}
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return nil, nil, issuance.Invalidf("csr", "there is a private key in "+name+"; nothing was sent",
			"use a file that contains only the CSR")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // of editors on Windows
	public, err := ca.ReadCSR(text)
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		hint := "create one with openssl req -new, in PEM or DER"
		return nil, nil, issuance.Invalidf("csr", "there is no valid certificate signing request in "+name+": it "+e.Message, hint)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the CSR: %w", err)
	}
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	return requestPEM(text), public, nil
}

func requestPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// newKey creates a private key and writes it to the disk, readable only by its owner,
// before it returns a CSR for it.
func (f *files) newKey(q claimRequest) ([]byte, crypto.PublicKey, error) {
	algorithm, err := issuance.ParseKeyAlgorithm(q.key)
	if err != nil {
		return nil, nil, err
	}
	key, err := generate(algorithm)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("writing the key: %w", err)
	}
	file, err := os.OpenFile(q.newKey, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("writing the key: %w", err)
	}
	f.made = q.newKey
	err = pem.Encode(file, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(err, file.Sync(), file.Close(), durable.SyncDir(filepath.Dir(q.newKey))); err != nil {
		return nil, nil, fmt.Errorf("writing the key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, new(x509.CertificateRequest), key)
	if err != nil {
		return nil, nil, fmt.Errorf("making the CSR: %w", err)
	}
	return requestPEM(csr), key.Public(), nil
}

func generate(a issuance.KeyAlgorithm) (crypto.Signer, error) {
	switch a {
	case issuance.P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case issuance.RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case issuance.RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case issuance.RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case issuance.Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// receive replaces what is in the temporary file with what r has.
func (f *files) receive(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return arrived(err)
	}
	if f.public != nil {
		if err := f.check(text); err != nil {
			return err
		}
	}
	if _, err := f.temp.WriteAt(text, 0); err != nil {
		return fmt.Errorf("saving the file: %w", err)
	}
	return errors.Join(f.temp.Truncate(int64(len(text))), f.temp.Sync())
}

// check returns an error unless text begins with the certificate of the key that
// was sent.
func (f *files) check(text []byte) error {
	foreign := &issuance.Error{
		Kind:    issuance.Unavailable,
		Message: "the server sent something other than a certificate for this key",
		Hint:    "tell the people who sent you the link",
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return foreign
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return foreign
	}
	got, err := x509.MarshalPKIXPublicKey(c.PublicKey)
	want, e := x509.MarshalPKIXPublicKey(f.public)
	if err != nil || e != nil || !bytes.Equal(got, want) {
		return foreign
	}
	return nil
}

// save gives the file its name and returns that. If the server chose the name and there
// is such a file, a number is added.
func (f *files) save(given string) (string, error) {
	name := f.out
	if name == "" {
		name = filepath.Join(f.dir, harmless(given, f.request != nil))
	}
	for n := 1; ; n++ {
		// The name is taken first: a rename alone would replace another file.
		free, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			err = errors.Join(free.Close(), os.Rename(f.temp.Name(), name), durable.SyncDir(f.dir))
			f.saved = err == nil
		}
		switch {
		case err == nil:
			return name, nil
		case !errors.Is(err, fs.ErrExist) || f.out != "" || n == 100:
			f.saved = true // under its temporary name: it cannot be had twice
			return "", fmt.Errorf("the file has arrived as %s, but cannot be renamed to %s: %w", f.temp.Name(), name, err)
		}
		ext := filepath.Ext(given)
		base := harmless(given, f.request != nil)
		name = filepath.Join(f.dir, strings.TrimSuffix(base, ext)+"-"+strconv.Itoa(n)+ext)
	}
}

// harmless returns a file name that a server chose, or a default name if it could do
// harm.
func harmless(name string, chain bool) string {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	}
	switch {
	case name != "" && len(name) <= 100 && name[0] != '.' && name[0] != '-' && !strings.ContainsFunc(name, odd):
		return name
	case chain:
		return "certificate.pem"
	}
	return "certificate.p12"
}

// close removes unfinished files. A key stays if the server may have certified it.
func (f *files) close() error {
	err := f.temp.Close()
	if f.saved {
		return err
	}
	err = errors.Join(err, os.Remove(f.temp.Name()))
	if f.made != "" && !f.asked {
		err = errors.Join(err, os.Remove(f.made))
	}
	return err
}
