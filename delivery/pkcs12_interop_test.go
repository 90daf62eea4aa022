package delivery

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

// pkcs12File is a packed file with its password in a file beside it.
type pkcs12File struct {
	bundle   issuance.Bundle
	path     string
	password string // path
}

func pkcs12Write(tb testing.TB, b issuance.Bundle) pkcs12File {
	tb.Helper()
	dir := tb.TempDir()
	f := pkcs12File{b, filepath.Join(dir, "client.p12"), filepath.Join(dir, "password")}
	pkcs12Save(tb, f.path, pkcs12Pack(tb, b))
	pkcs12Save(tb, f.password, b.Password.Reveal())
	return f
}

func pkcs12Save(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// withPassword returns f with another password than the one it is packed with.
func (f pkcs12File) withPassword(tb testing.TB, p issuance.Secret) pkcs12File {
	tb.Helper()
	f.bundle.Password = p
	f.password = filepath.Join(tb.TempDir(), "password")
	pkcs12Save(tb, f.password, p.Reveal())
	return f
}

// pkcs12Program returns the command of a program that debian's package installs.
// Passwords reach it in files or in its environment, never as an argument.
func pkcs12Program(tb testing.TB, debian, name string, args ...string) *exec.Cmd {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		tb.Fatalf("this test needs %s: install Debian's package %s", name, debian)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	return cmd
}

// pkcs12Reader is a program that customers open PKCS#12 files with.
type pkcs12Reader struct {
	name string
	// open returns what the program printed, and an error if it refused the file.
	open func(testing.TB, pkcs12File) ([]byte, error)
	// want is what it prints of a file that it opened, and how often.
	want map[string]int
	// not is the algorithm that it does not know.
	not issuance.KeyAlgorithm
}

func pkcs12Readers() []pkcs12Reader {
	return []pkcs12Reader{
		{name: "openssl", open: openWithOpenSSL, want: map[string]int{
			"friendlyName: " + pkcs12Name: 2, "BEGIN CERTIFICATE": 3, "BEGIN PRIVATE KEY": 1,
		}},
		{name: "keytool", open: openWithKeytool, want: map[string]int{
			"Alias name: " + strings.ToLower(pkcs12Name) + "\n": 1, "Entry type: PrivateKeyEntry": 1, "Certificate chain length: 3": 1,
		}},
		{name: "certtool", open: openWithCerttool, want: map[string]int{
			"Friendly name: " + pkcs12Name: 2, "BEGIN CERTIFICATE": 3, "Public Key Info:": 1,
		}},
		{name: "pk12util", open: openWithPK12util, want: map[string]int{
			// The list of certificates, with "u" for one whose key is there; then that of keys.
			pkcs12Name: 2, "u,u,u": 1, "Test Issuing CA": 1, "Test Root": 1,
		}, not: issuance.Ed25519},
		{name: "node", open: openWithNode, want: map[string]int{"opened": 1}},
	}
}

func openWithOpenSSL(tb testing.TB, f pkcs12File) ([]byte, error) {
	return pkcs12Program(tb, "openssl", "openssl", "pkcs12", "-in", f.path, "-passin", "file:"+f.password, "-noenc").CombinedOutput()
}

func openWithKeytool(tb testing.TB, f pkcs12File) ([]byte, error) {
	return pkcs12Program(tb, "default-jdk-headless", "keytool", "-J-XX:+UseSerialGC",
		"-list", "-v", "-storetype", "PKCS12", "-keystore", f.path, "-storepass:file", f.password).CombinedOutput()
}

func openWithCerttool(tb testing.TB, f pkcs12File) ([]byte, error) {
	template := filepath.Join(tb.TempDir(), "template")
	pkcs12Save(tb, template, append([]byte("password = "), f.bundle.Password.Reveal()...))
	out, err := pkcs12Program(tb, "gnutls-bin", "certtool", "--p12-info", "--inder", "--infile", f.path, "--template", template).CombinedOutput()
	if err != nil {
		return out, err
	}
	// That has checked the MAC and decrypted the certificates; the key is still encrypted.
	encrypted := filepath.Join(tb.TempDir(), "key.pem")
	pkcs12Save(tb, encrypted, out)
	key, err := pkcs12Program(tb, "gnutls-bin", "certtool", "--key-info", "--pkcs8", "--infile", encrypted, "--template", template).CombinedOutput()
	return append(out, key...), err
}

func openWithPK12util(tb testing.TB, f pkcs12File) ([]byte, error) {
	db := "sql:" + tb.TempDir()
	if out, err := pkcs12Program(tb, "libnss3-tools", "certutil", "-N", "-d", db, "--empty-password").CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	if out, err := pkcs12Program(tb, "libnss3-tools", "pk12util", "-i", f.path, "-w", f.password, "-d", db).CombinedOutput(); err != nil {
		return out, err
	}
	certificates, err := pkcs12Program(tb, "libnss3-tools", "certutil", "-L", "-d", db).CombinedOutput()
	if err != nil {
		return certificates, err
	}
	keys, err := pkcs12Program(tb, "libnss3-tools", "certutil", "-K", "-d", db).CombinedOutput()
	return append(certificates, keys...), err
}

func openWithNode(tb testing.TB, f pkcs12File) ([]byte, error) {
	cmd := pkcs12Program(tb, "nodejs", "node", "-e", `
		const read = require("fs").readFileSync;
		require("tls").createSecureContext({pfx: read(process.env.PFX), passphrase: read(process.env.PASSWORD, "utf8")});
		console.log("opened");`)
	cmd.Env = append(cmd.Env, "PFX="+f.path, "PASSWORD="+f.password)
	return cmd.CombinedOutput()
}

func TestPackOpensEverywhere(t *testing.T) {
	t.Parallel()
	ca := newPKCS12CA(t)
	for _, algorithm := range issuance.KeyAlgorithms() {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			key := pkcs12Key(t, algorithm)
			for _, target := range []issuance.Target{issuance.Modern, issuance.Compatible} {
				f := pkcs12Write(t, ca.bundle(t, key, target))
				for _, r := range pkcs12Readers() {
					if r.not == algorithm {
						continue
					}
					t.Run(string(target)+"/"+r.name, func(t *testing.T) {
						t.Parallel()
						out, err := r.open(t, f)
						if err != nil {
							t.Fatalf("%v: %s", err, out)
						}
						for text, want := range r.want {
							if got := bytes.Count(out, []byte(text)); got != want {
								t.Errorf("got %q %d times, want %d", text, got, want)
							}
						}
					})
				}
			}
		})
	}
}

// The algorithms and iterations that the design promises, as OpenSSL sees them.
func TestPackFormats(t *testing.T) {
	t.Parallel()
	ca := newPKCS12CA(t)
	key := pkcs12Key(t, issuance.P256)
	modern := []string{
		"MAC: sha256, Iteration 100000",
		"MAC length: 32, salt length: 16",
		"PKCS7 Encrypted data: PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256",
		"Certificate bag", "Certificate bag", "Certificate bag",
		"PKCS7 Data",
		"Shrouded Keybag: PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256",
	}
	compatible := []string{
		"MAC: sha1, Iteration 100000",
		"MAC length: 20, salt length: 8",
		"PKCS7 Encrypted data: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 100000",
		"Certificate bag", "Certificate bag", "Certificate bag",
		"PKCS7 Data",
		"Shrouded Keybag: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 100000",
	}
	for target, want := range map[issuance.Target][]string{
		issuance.Modern: modern, issuance.JavaTarget: modern, issuance.WindowsTarget: modern,
		issuance.Compatible: compatible, issuance.WindowsOldTarget: compatible, issuance.AppleTarget: compatible,
	} {
		f := pkcs12Write(t, ca.bundle(t, key, target))
		out, err := pkcs12Program(t, "openssl", "openssl", "pkcs12", "-in", f.path, "-passin", "file:"+f.password, "-info", "-noout").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
	}
}

func TestPackStaysShutWithoutPassword(t *testing.T) {
	t.Parallel()
	ca := newPKCS12CA(t)
	for _, target := range []issuance.Target{issuance.Modern, issuance.Compatible} {
		t.Run(string(target), func(t *testing.T) {
			t.Parallel()
			f := pkcs12Write(t, ca.bundle(t, pkcs12Key(t, issuance.P256), target))
			for _, r := range pkcs12Readers() {
				if out, err := r.open(t, f.withPassword(t, NewPassword())); err == nil {
					t.Errorf("%s opened it with another password: %s", r.name, out)
				}
			}
		})
	}
}

// What OpenSSL takes out is, byte for byte, what went in.
func TestPackKeepsKeyAndChain(t *testing.T) {
	t.Parallel()
	ca := newPKCS12CA(t)
	b := ca.bundle(t, pkcs12Key(t, issuance.P384), issuance.Compatible)
	out, err := openWithOpenSSL(t, pkcs12Write(t, b))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var certificates [][]byte
	var key any
	for block, rest := pem.Decode(out); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			certificates = append(certificates, block.Bytes)
		} else if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(append([][]byte{b.Certificate}, b.Chain...), certificates); diff != "" {
		t.Error(diff)
	}
	if got, ok := key.(interface{ Equal(crypto.PrivateKey) bool }); !ok || !got.Equal(b.Key) {
		t.Error("another key came out than went in")
	}
}

// Names are people's: umlauts, other scripts and emoji arrive as they are.
func TestPackKeepsName(t *testing.T) {
	t.Parallel()
	ca := newPKCS12CA(t)
	for what, name := range map[string]string{"scripts": `Zürich «Süd», 支払い/Ключ: "🔑"`, "longest": strings.Repeat("ü", 255)} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := ca.bundle(t, pkcs12Key(t, issuance.P256), issuance.Modern)
			b.FriendlyName = name
			f := pkcs12Write(t, b)
			out, err := openWithKeytool(t, f)
			if err != nil || !strings.Contains(string(out), "Alias name: "+strings.ToLower(name)+"\n") {
				t.Errorf("keytool does not show %q: %v: %s", name, err, out)
			}
			out, err = openWithPK12util(t, f)
			if err != nil || !strings.Contains(string(out), name) {
				t.Errorf("pk12util does not show %q: %v: %s", name, err, out)
			}
			out, err = openWithCerttool(t, f)
			if err != nil || !strings.Contains(string(out), "Friendly name: "+name+"\n") {
				t.Errorf("certtool does not show %q: %v: %s", name, err, out)
			}
		})
	}
}
