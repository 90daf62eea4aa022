package issuance

// SecretKind is the kind of a stored secret.
type SecretKind string

// The secrets that a store keeps, sealed, until they are no longer needed. That of an
// audit record is named by its digest.
const (
	LinkSecret       SecretKind = "link"       // token of the e-mailed URL, until the mail was accepted
	SeedSecret       SecretKind = "seed"       // HOTP seed of an order's codes
	PasswordSecret   SecretKind = "password"   // permanent password of a PKCS#12 file
	StopSecret       SecretKind = "stop"       // token in a message that tells of a change, until it was sent
	AuditSecret      SecretKind = "audit"      // details of an audit record, for good
	CheckpointSecret SecretKind = "checkpoint" // the key that signs checkpoints of the audit records
	PKCS12Secret     SecretKind = "pkcs12"     // the PKCS#12 file, until the claim window ends
)

// SecretRef identifies a stored secret by its kind and the id of the record that
// owns it, whose prefix says what kind of record that is. The store binds the
// sealed bytes to both, so a sealed secret that is moved to another record cannot
// be opened.
type SecretRef struct {
	Kind  SecretKind
	Owner string
}

// secretOf names a secret of the order with id.
func secretOf(id OrderID, kind SecretKind) SecretRef { return SecretRef{kind, string(id)} }

// VaultReader opens secrets.
type VaultReader interface {
	// Secret returns what PutSecret stored under ref, sealed at rest and bound to
	// ref.
	Secret(SecretRef) (Secret, error)
}

// Vault keeps secrets. DeleteSecret does nothing if there is no such secret.
type Vault interface {
	VaultReader
	PutSecret(SecretRef, Secret) error
	DeleteSecret(SecretRef) error
}
