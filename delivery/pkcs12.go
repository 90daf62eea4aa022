package delivery

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf16"

	"github.com/postern-ca/postern/issuance"
)

// Pack returns b as a PKCS#12 file (RFC 7292) with the private key, its
// certificate, and the chain. Key and certificate carry the friendly name and
// one localKeyID, so that Java's alias, Windows' friendly name, NSS's nickname
// and OpenSSL's "friendlyName" are all b.FriendlyName (Java in lower case).
//
// b.Target's format decides how it is encrypted, see [issuance.Target.Format]:
//   - modern: PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA-256, SHA-256 MAC; opens in
//     OpenSSL 1.1.1, Java 8u301, 11.0.12 and 17, Windows Server 2019 and later
//   - compatible: PBE with 3DES and SHA-1, SHA-1 MAC; for older Windows, macOS, iOS, Android
//
// Every key derivation has 100,000 iterations. Ed25519 keys do not open in NSS.
//
// It returns an error and no file if the key does not belong to the certificate, if
// a certificate does not parse, the chain does not lead up from the certificate,
// the friendly name is empty or longer than 255 characters (RFC 2985, section
// 5.5.1), or the password is empty or not printable ASCII: Java opens no other.
func Pack(b issuance.Bundle) ([]byte, error) {
	if err := checkPassword(b.Password.Reveal()); err != nil {
		return nil, err
	}
	if err := checkCertificates(b); err != nil {
		return nil, err
	}
	name, err := bmpString(b.FriendlyName)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(b.Key)
	if err != nil {
		return nil, fmt.Errorf("encoding the private key: %w", err)
	}
	defer clear(pkcs8)
	attributes := identify(name, b.Certificate)
	p, err := newProtection(b.Target, string(b.Password.Reveal()))
	if err != nil {
		return nil, err
	}
	key, err := sealKey(p, pkcs8, attributes)
	if err != nil {
		return nil, fmt.Errorf("sealing the private key: %w", err)
	}
	certificates, err := sealCertificates(p, append([][]byte{b.Certificate}, b.Chain...), attributes)
	if err != nil {
		return nil, fmt.Errorf("sealing the certificates: %w", err)
	}
	return encodePFX(p, authenticatedSafe{certificates, key})
}

// checkPassword refuses what some reader takes for a different password.
func checkPassword(password []byte) error {
	if len(password) == 0 {
		return issuance.Invalidf("password", "is empty", "set a password for the file")
	}
	for _, c := range password {
		if c < ' ' || c > '~' {
			return issuance.Invalidf("password", "has a character that is not printable ASCII",
				"use letters, digits and punctuation of an English keyboard: Java accepts no others")
		}
	}
	return nil
}

// checkCertificates checks that key, certificate and chain belong together.
func checkCertificates(b issuance.Bundle) error {
	child, err := x509.ParseCertificate(b.Certificate)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	public, ok := child.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if b.Key == nil || !ok || !public.Equal(b.Key.Public()) {
		return errors.New("the private key does not belong to the certificate")
	}
	for i, der := range b.Chain {
		parent, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("reading certificate %d of the chain: %w", i+1, err)
		}
		if !bytes.Equal(child.RawIssuer, parent.RawSubject) {
			return fmt.Errorf("certificate %d of the chain is not the issuer of the one below it", i+1)
		}
		if err := child.CheckSignatureFrom(parent); err != nil {
			return fmt.Errorf("certificate %d of the chain did not sign the one below it: %w", i+1, err)
		}
		child = parent
	}
	return nil
}

// bmpString encodes a friendly name as a BMPString, whose characters have two
// bytes. One beyond the basic plane becomes a surrogate pair, as Windows, Java
// and OpenSSL write and read it.
func bmpString(s string) (asn1.RawValue, error) {
	units := utf16.Encode([]rune(s))
	if len(units) == 0 || len(units) > 255 {
		return asn1.RawValue{}, errors.New("the friendly name is empty or longer than 255 characters")
	}
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = append(b, byte(u>>8), byte(u))
	}
	return asn1.RawValue{Tag: asn1.TagBMPString, Bytes: b}, nil
}
