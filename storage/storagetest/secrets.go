package storagetest

import (
	"bytes"
	"testing"

	"github.com/postern-ca/postern/issuance"
)

func testSecrets(t *testing.T, fresh Fresh) {
	open := fresh(t)
	s := open()
	seed := issuance.SecretRef{Kind: issuance.SeedSecret, Owner: "o1"}
	file := issuance.SecretRef{Kind: issuance.PKCS12Secret, Owner: "o1"}
	other := issuance.SecretRef{Kind: issuance.SeedSecret, Owner: "o2"}
	get := func(ref issuance.SecretRef) string {
		var out string
		view(t, s, func(tx Reader) error {
			got, err := tx.Secret(ref)
			if isNotFound(err) {
				out, err = "not found", nil
			} else {
				out = string(got.Reveal())
			}
			return err
		})
		return out
	}
	long := bytes.Repeat([]byte{0, 1, 2, 0xff}, 5000)
	update(t, s, func(tx Tx) error {
		return firstError(
			tx.PutSecret(seed, issuance.NewSecret([]byte("the seed"))), tx.PutSecret(file, issuance.NewSecret(long)),
			tx.PutSecret(other, issuance.NewSecret([]byte("another seed"))),
			tx.DeleteSecret(issuance.SecretRef{Kind: "none", Owner: "o1"}))
	})
	same(t, "seed", "the seed", get(seed))
	same(t, "file", string(long), get(file))
	same(t, "another order's seed", "another seed", get(other))
	same(t, "another kind", "not found", get(issuance.SecretRef{Kind: issuance.LinkSecret, Owner: "o1"}))

	update(t, s, func(tx Tx) error {
		return firstError(tx.PutSecret(seed, issuance.NewSecret([]byte("a new seed"))), tx.DeleteSecret(file))
	})
	s = open()
	same(t, "replaced", "a new seed", get(seed))
	same(t, "deleted", "not found", get(file))
	same(t, "left alone", "another seed", get(other))
}

func testCompromised(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	known := func(key issuance.Digest) (is bool) {
		t.Helper()
		view(t, s, func(tx Reader) (err error) {
			is, err = tx.Compromised(key)
			return err
		})
		return is
	}
	if known("key1") {
		t.Error("a key is compromised before it was said to be")
	}
	for range 2 {
		update(t, s, func(tx Tx) error { return tx.PutCompromised("key1") })
	}
	if !known("key1") || known("key2") {
		t.Errorf("key1 is compromised: %v, key2: %v; want true, false", known("key1"), known("key2"))
	}
}
