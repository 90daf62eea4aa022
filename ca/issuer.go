package ca

import (
	"crypto"
	"crypto/x509"
)

// RootID is the root's id: its CRL is /pki/crl/root.crl. Issuing CAs are
// issuing-1, issuing-2 and so on.
const RootID = "root"

// Issuer is a CA of the hierarchy.
type Issuer struct {
	ID          string
	Certificate *x509.Certificate
	// Signer is the CA's key; nil if it is kept elsewhere, like that of an offline
	// root.
	Signer crypto.Signer
}
