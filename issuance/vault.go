package issuance

// SecretKind says what a stored secret is.
type SecretKind string

// The secrets that a store keeps, sealed, until they have served.
const (
	LinkSecret     SecretKind = "link"     // token of the e-mailed URL, until the mail was accepted
	SeedSecret     SecretKind = "seed"     // HOTP seed of an order's codes
	PasswordSecret SecretKind = "password" // permanent password of a PKCS#12 file
	StopSecret     SecretKind = "stop"     // token in a message that tells of a change, until it was sent
	PKCS12Secret   SecretKind = "pkcs12"   // the PKCS#12 file, until the claim window ends
)

// SecretRef names a stored secret: what it is, and the id of the record that owns
// it, which says by its prefix what kind of record that is. The store binds the
// sealed bytes to both, so that a sealed secret moved to another record does not
// open.
type SecretRef struct {
	Kind  SecretKind
	Owner string
}

// secretOf names a secret of the order with id.
func secretOf(id OrderID, kind SecretKind) SecretRef { return SecretRef{kind, string(id)} }

// VaultReader opens secrets.
type VaultReader interface {
	// Secret returns what PutSecret kept under ref, sealed at rest and bound to ref.
	Secret(SecretRef) (Secret, error)
}

// Vault keeps secrets. DeleteSecret of what is not there does nothing.
type Vault interface {
	VaultReader
	PutSecret(SecretRef, Secret) error
	DeleteSecret(SecretRef) error
}
