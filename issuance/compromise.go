package issuance

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
)

// keyDigest returns the SHA-256 of a public key's SubjectPublicKeyInfo (RFC 5280,
// section 4.1), "" for what is no public key.
func keyDigest(key crypto.PublicKey) Digest {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(spki)
	return Digest(hex.EncodeToString(sum[:]))
}

// compromise remembers the key of a certificate that is revoked because others
// have it. A record without a readable certificate is revoked all the same.
func (w *work) compromise(c *Certificate) error {
	if c.Reason != KeyCompromise {
		return nil
	}
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil
	}
	return w.PutCompromised(keyDigest(cert.PublicKey))
}

// refuseCompromised refuses to certify a key that somebody else has.
func refuseCompromised(tx CertificateReader, key crypto.PublicKey) error {
	d := keyDigest(key)
	if d == "" {
		return nil
	}
	bad, err := tx.Compromised(d)
	if err == nil && bad {
		err = &Error{
			Kind: Invalid, Code: CodeCSR, Field: "csr", Message: "its key was revoked as compromised",
			Hint: "make a new key, and a CSR with that",
		}
	}
	return err
}
