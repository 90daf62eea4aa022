package bolt

import (
	"fmt"

	"github.com/postern-ca/postern/issuance"
)

func secretKey(ref issuance.SecretRef) []byte {
	return prefix(byAll, string(ref.Kind), ref.Owner)
}

func (t *tx) Secret(ref issuance.SecretRef) (issuance.Secret, error) {
	sealed, err := t.get(secretsBucket, secretKey(ref))
	if err != nil {
		return issuance.Secret{}, err
	}
	secret, err := t.s.opts.Key.Open(ref, sealed)
	if err != nil {
		return issuance.Secret{}, fmt.Errorf("opening the %s secret of %s: %w", ref.Kind, ref.Owner, err)
	}
	return secret, nil
}

func (t *tx) PutSecret(ref issuance.SecretRef, secret issuance.Secret) error {
	if err := t.DeleteSecret(ref); err != nil { // the old one is to be scrubbed
		return err
	}
	sealed, err := t.s.opts.Key.Seal(ref, secret)
	if err != nil {
		return err
	}
	return t.put(secretsBucket, secretKey(ref), sealed)
}

func (t *tx) DeleteSecret(ref issuance.SecretRef) error {
	if _, err := t.get(secretsBucket, secretKey(ref)); err != nil {
		return ignoreNotFound(err)
	}
	t.deleted = true
	return t.delete(secretsBucket, secretKey(ref))
}

func (t *tx) Compromised(key issuance.Digest) (bool, error) {
	_, err := t.get(compromised, []byte(key))
	if err != nil {
		return false, ignoreNotFound(err)
	}
	return true, nil
}

func (t *tx) PutCompromised(key issuance.Digest) error {
	if known, err := t.Compromised(key); known || err != nil {
		return err
	}
	return t.put(compromised, []byte(key), []byte{1})
}
