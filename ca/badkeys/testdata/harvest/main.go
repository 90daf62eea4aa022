// Harvest prints the marks of the private keys in a tree of sources, each with where
// it was found, as published.txt has them:
//
//	go run ./ca/badkeys/testdata/harvest "openssl 3.0.20" /tmp/openssl-3.0.20 >> more.txt
//
// It reads PEM, as a file or as text in a program, JSON web keys, and lines such as
// "P-256 HEX" or "Ed25519 HEX" with a scalar or a seed. Keys that no certificate is
// issued for, and those under a password, are left out.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/postern-ca/postern/ca/mtls"
	"github.com/postern-ca/postern/issuance"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: harvest NAME DIRECTORY")
		os.Exit(2)
	}
	seen := map[issuance.Digest]bool{}
	err := filepath.WalkDir(os.Args[2], func(path string, d fs.DirEntry, err error) error {
		info, e := d.Info()
		if err != nil || e != nil || !info.Mode().IsRegular() || info.Size() > 4<<20 {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		where, err := filepath.Rel(os.Args[2], path)
		for _, key := range keys(string(text)) {
			if mark := issuance.MarkOf(key); mark != "" && !seen[mark] && mtls.KeyProblem(fit(key)) == "" {
				seen[mark] = true
				fmt.Println(mark, os.Args[1]+", "+strings.ReplaceAll(where, " ", "_"))
			}
		}
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fit returns key with the usual exponent: a modulus is published with any.
func fit(key crypto.PublicKey) crypto.PublicKey {
	if k, ok := key.(*rsa.PublicKey); ok {
		return &rsa.PublicKey{N: k.N, E: 65537}
	}
	return key
}

func keys(text string) (out []crypto.PublicKey) {
	armour := regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*KEY-----(.*?)-----END [A-Z ]*KEY-----`)
	for _, block := range armour.FindAllStringSubmatch(text, -1) {
		if key := readDER(bare(block[1])); key != nil {
			out = append(out, key)
		}
	}
	object := regexp.MustCompile(`(?s)\{[^{}]*"kty"[^{}]*\}`)
	for _, raw := range object.FindAllString(text, -1) {
		if key := readJWK(strings.ReplaceAll(raw, `\"`, `"`)); key != nil {
			out = append(out, key)
		}
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if kind, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), " "); ok {
			if key := readHex(kind, value); key != nil {
				out = append(out, key)
			}
		}
	}
	return out
}

// bare returns what the base64 in a block stands for, which may be that of a
// program's text: with quotes, line breaks as \n, and plus signs between the lines.
func bare(block string) []byte {
	block = regexp.MustCompile(`\\[nr]`).ReplaceAllString(block, "\n")
	block = regexp.MustCompile(`["'`+"`"+`]\s*\+\s*["'`+"`"+`]`).ReplaceAllString(block, "")
	if strings.Contains(block, ":") { // headers: encrypted
		return nil
	}
	block = regexp.MustCompile(`[^A-Za-z0-9+/]`).ReplaceAllString(block, "")
	der, err := base64.RawStdEncoding.DecodeString(block)
	if err != nil {
		return nil
	}
	return der
}

func readDER(der []byte) crypto.PublicKey {
	var key any
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		key = k
	} else if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		key = k
	} else if k, err := x509.ParseECPrivateKey(der); err == nil {
		key = k
	} else if k, err := x509.ParsePKIXPublicKey(der); err == nil && strings.HasPrefix(os.Args[1], "RFC") {
		return k // the private half is in the same place
	} else if k, err := x509.ParsePKCS1PublicKey(der); err == nil && strings.HasPrefix(os.Args[1], "RFC") {
		return k
	}
	if signer, ok := key.(crypto.Signer); ok {
		return signer.Public()
	}
	return nil
}

func readJWK(raw string) crypto.PublicKey {
	var j struct{ Kty, Crv, N, X, Y, D string }
	if json.Unmarshal([]byte(raw), &j) != nil || j.D == "" && !strings.HasPrefix(os.Args[1], "RFC") {
		return nil
	}
	number := func(s string) []byte {
		b, _ := base64.RawURLEncoding.DecodeString(strings.Join(strings.Fields(s), "")) // nothing, then
		return b
	}
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384()}
	switch curve := curves[j.Crv]; {
	case j.N != "":
		return &rsa.PublicKey{N: new(big.Int).SetBytes(number(j.N)), E: 65537}
	case j.Crv == "Ed25519":
		return ed25519.PublicKey(number(j.X))
	case curve != nil:
		return &ecdsa.PublicKey{Curve: curve, X: new(big.Int).SetBytes(number(j.X)), Y: new(big.Int).SetBytes(number(j.Y))}
	}
	return nil
}

func readHex(kind, value string) crypto.PublicKey {
	secret, err := hex.DecodeString(value)
	if err != nil {
		return nil
	}
	switch kind {
	case "Ed25519":
		if len(secret) == ed25519.SeedSize {
			return ed25519.NewKeyFromSeed(secret).Public()
		}
	case "P-256", "P-384":
		curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384()}[kind]
		if key, err := ecdsa.ParseRawPrivateKey(curve, secret); err == nil {
			return key.Public()
		}
	}
	return nil
}
