package main

import (
	"crypto"
	"os"
	"path/filepath"
	"testing"

	"go.step.sm/crypto/pemutil"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// issuingKey returns the key of issuing-1 itself, without the lints around it: what
// tests forge with it, no method of ours would sign.
func issuingKey(t testing.TB, cfg *config.Config) crypto.Signer {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cfg.Data, caDirectory, "issuing-1.key"))
	must(t, err)
	key, err := pemutil.ParseKey(text, pemutil.WithPassword(cfg.CA.Passphrase.Reveal()))
	must(t, err)
	return key.(crypto.Signer)
}
