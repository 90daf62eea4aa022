package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/ca/catest"
	"github.com/postern-ca/postern/issuance"
)

func TestOpenWithoutTheRootKey(t *testing.T) {
	dir := authorityDir(t)
	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	a := authorityOpen(t, authorityOpenOptions(dir))
	authoritySign(t, a, authorityProfile(authorityKey(t, issuance.P256).Public()))
}

func TestOpenRefuses(t *testing.T) {
	remove := func(name string) func(*testing.T, *OpenOptions) {
		return func(t *testing.T, o *OpenOptions) {
			if err := os.Remove(filepath.Join(o.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	overwrite := func(name, from string) func(*testing.T, *OpenOptions) {
		return func(t *testing.T, o *OpenOptions) {
			data, err := os.ReadFile(filepath.Join(o.Dir, from))
			if err == nil {
				err = os.WriteFile(filepath.Join(o.Dir, name), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	at := func(years, days int) func(*testing.T, *OpenOptions) {
		return func(_ *testing.T, o *OpenOptions) {
			o.Now = func() time.Time { return authorityStart().AddDate(years, 0, days) }
		}
	}
	tests := map[string]struct {
		change func(*testing.T, *OpenOptions)
		want   string
	}{
		"wrong passphrase": {func(_ *testing.T, o *OpenOptions) { o.Passphrase = issuance.NewSecret([]byte("wrong")) }, "does not open issuing-1.key"},
		"no passphrase":    {func(_ *testing.T, o *OpenOptions) { o.Passphrase = issuance.Secret{} }, "does not open issuing-1.key"},
		"no root.pem":      {remove("root.pem"), "has no root.pem"},
		"no root.crl":      {remove("root.crl"), "has no root.crl"},
		"no issuing CA":    {remove("issuing-1.pem"), "none of its issuing CAs is valid any longer"},
		"no issuing key":   {remove("issuing-1.key"), "has no issuing-1.key"},
		"another's key":    {overwrite("issuing-1.key", "root.key"), "issuing-1.key is not the key of issuing-1.pem"},
		"rubbish":          {overwrite("root.pem", "root.crl"), "root.pem is not a certificate"},
		"too late":         {at(10, 1), "none of its issuing CAs is valid any longer"},
		"too early":        {at(0, -2), "its chain is not valid"},
		"other domain":     {func(_ *testing.T, o *OpenOptions) { o.TrustDomain = "example.org" }, "differs from the one that the CA was created for, example.com"},
		"bad domain":       {func(_ *testing.T, o *OpenOptions) { o.TrustDomain = "" }, "is not a domain name"},
		"bad URL":          {func(_ *testing.T, o *OpenOptions) { o.URLs.Base = "ftp://x" }, "is not an http URL"},
		"no directory":     {func(_ *testing.T, o *OpenOptions) { o.Dir += "x" }, "has no root.pem"},
		"another root":     {func(t *testing.T, o *OpenOptions) { authorityCopy(t, authorityOtherDir(t), o.Dir, "root.pem") }, "root.crl was not issued by the root"},
		"another hierarchy": {func(t *testing.T, o *OpenOptions) {
			other := authorityOtherDir(t)
			authorityCopy(t, other, o.Dir, "root.pem")
			authorityCopy(t, other, o.Dir, "root.crl")
		}, "its chain is not valid"},
		"leaf in place of a CA": {func(t *testing.T, o *OpenOptions) {
			leaf := authoritySign(t, authorityOpen(t, *o), authorityProfile(authorityKey(t, issuance.P256).Public()))
			if err := os.WriteFile(filepath.Join(o.Dir, "issuing-1.pem"), certificatePEM(leaf), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "its chain is not valid"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := authorityOpenOptions(authorityDir(t))
			test.change(t, &o)
			_, err := Open(o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want one with %q", err, test.want)
			}
			authorityError(t, err)
			if strings.Contains(err.Error(), authorityPassphrase) {
				t.Errorf("the error has the passphrase: %v", err)
			}
		})
	}
}

func authorityCopy(t *testing.T, from, to, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(from, name))
	if err == nil {
		err = os.WriteFile(filepath.Join(to, name), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// authorityAddIssuing adds the issuing CA id to dir, beginning at now.
func authorityAddIssuing(t *testing.T, dir, id string, now time.Time) {
	t.Helper()
	o := authorityCreateOptions(dir)
	root, err := readCertificate(dir, RootID)
	if err != nil {
		t.Fatal(err)
	}
	rootKey, err := readKey(dir, RootID, o.Passphrase, root)
	if err != nil {
		t.Fatal(err)
	}
	key := authorityKey(t, issuance.P256)
	template := o.template("Client Issuing CA "+id, 0, now, issuingYears)
	template.SubjectKeyId = []byte(id)
	der, err := x509.CreateCertificate(nil, template, root, key.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{id + ".key": authorityPEM("PRIVATE KEY", bare), id + ".pem": certificatePEM(&x509.Certificate{Raw: der})} {
		if err := writeFile(dir, name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := catest.Lighten(dir, []byte(authorityPassphrase)); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralIssuingCAs(t *testing.T) {
	dir := authorityDir(t)
	authorityAddIssuing(t, dir, "issuing-2", authorityStart())
	authorityAddIssuing(t, dir, "issuing-10", authorityStart().AddDate(9, 0, 0))
	if err := os.WriteFile(filepath.Join(dir, "issuing-old.pem"), []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := authorityOpenOptions(dir)
	o.Now = func() time.Time { return authorityStart().AddDate(9, 6, 0) }
	a := authorityOpen(t, o)
	if diff := cmp.Diff([]string{"issuing-1", "issuing-2", "issuing-10"}, authorityIDs(a)); diff != "" {
		t.Errorf("issuers (-want +got):\n%s", diff)
	}
	if id, end := a.Issuer(); id != "issuing-10" || !end.Equal(authorityStart().AddDate(19, 0, 0)) {
		t.Errorf("got %s until %s, want issuing-10 until its end", id, end)
	}
	chain, err := a.Chain("issuing-2")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]byte{a.Issuers()[1].Certificate.Raw, a.Root().Raw}, chain); diff != "" {
		t.Errorf("chain (-want +got):\n%s", diff)
	}
	if _, err := a.Chain("root"); !errors.Is(err, issuance.ErrNotFound) {
		t.Errorf("chain of an issuer that is not there: got %v, want not found", err)
	}
	o.Now = func() time.Time { return authorityStart().AddDate(10, 0, 1) }
	if diff := cmp.Diff([]string{"issuing-10"}, authorityIDs(authorityOpen(t, o))); diff != "" {
		t.Errorf("issuers after ten years (-want +got):\n%s", diff)
	}
}

func authorityIDs(a *Authority) (ids []string) {
	for _, is := range a.Issuers() {
		ids = append(ids, is.ID)
	}
	return ids
}

func TestRootCRL(t *testing.T) {
	dir := authorityDir(t)
	a := authorityOpen(t, authorityOpenOptions(dir))
	first := authorityRootCRL(t, a)
	if first.Number.Int64() != 1 || !first.NextUpdate.Equal(authorityStart().AddDate(1, 0, 0)) {
		t.Errorf("the first CRL: got number %d until %s, want 1 for a year", first.Number, first.NextUpdate)
	}
	authorityRenew(t, a, authorityStart().AddDate(0, 5, 0), 1)
	later := authorityStart().AddDate(0, 7, 0)
	authorityRenew(t, a, later, 2)
	authorityRenew(t, a, later, 2)
	if got := authorityRootCRL(t, a); !got.ThisUpdate.Equal(later) || !got.NextUpdate.Equal(later.AddDate(1, 0, 0)) {
		t.Errorf("the second CRL: from %s to %s, want a year from %s", got.ThisUpdate, got.NextUpdate, later)
	}
	authorityRenew(t, authorityOpen(t, authorityOpenOptions(dir)), later.AddDate(3, 0, 0), 3)

	// It turns out that the clock was ahead.
	authorityRenew(t, a, later, 4)
	if got := authorityRootCRL(t, a); !got.ThisUpdate.Equal(later) {
		t.Errorf("the CRL of a clock that was ahead: from %s, want %s", got.ThisUpdate, later)
	}
	authorityRenew(t, a, later.AddDate(3, 0, 0), 5)

	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	authorityRenew(t, a, later.AddDate(3, 1, 0), 5)
	err := authorityError(t, a.RenewRootCRL(later.AddDate(3, 7, 0)))
	if err.Kind != issuance.Unavailable || !strings.Contains(err.Message, "root's key is not here") {
		t.Errorf("renewing without the key: got %v, want unavailable", err)
	}
}

// authorityRenew renews the root's CRL at a time and wants the number after it.
func authorityRenew(t *testing.T, a *Authority, at time.Time, want int64) {
	t.Helper()
	if err := a.RenewRootCRL(at); err != nil {
		t.Fatal(err)
	}
	if got := authorityRootCRL(t, a).Number.Int64(); got != want {
		t.Errorf("after renewing on %s: got number %d, want %d", at.Format(time.DateOnly), got, want)
	}
}

func authorityRootCRL(t *testing.T, a *Authority) *x509.RevocationList {
	t.Helper()
	der, err := a.RootCRL()
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(a.Root()); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRootCRLFromElsewhere is an offline root: its CRL is signed beside it and
// copied here; a foreign one is refused, and revoked issuing CAs stay revoked.
func TestRootCRLFromElsewhere(t *testing.T) {
	dir := authorityDir(t)
	a := authorityOpen(t, authorityOpenOptions(dir))
	key, err := readKey(dir, RootID, a.passphrase, a.root)
	if err != nil {
		t.Fatal(err)
	}
	revoked := x509.RevocationListEntry{SerialNumber: big.NewInt(4711), RevocationTime: authorityStart(), ReasonCode: 4}
	der, err := signRootCRL(a.root, key, &x509.RevocationList{Number: big.NewInt(40), RevokedCertificateEntries: []x509.RevocationListEntry{revoked}}, authorityStart())
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(dir, rootCRLFile, der, 0o644); err != nil {
		t.Fatal(err)
	}
	authorityRenew(t, a, authorityStart().AddDate(1, 0, 0), 41)
	got := authorityRootCRL(t, a).RevokedCertificateEntries
	if len(got) != 1 || got[0].SerialNumber.Int64() != 4711 || got[0].ReasonCode != 4 {
		t.Errorf("entries after the renewal: got %v, want the one there was", got)
	}
	authorityCopy(t, authorityOtherDir(t), dir, "root.crl")
	if _, err := a.RootCRL(); err == nil {
		t.Error("a CRL of another root was taken")
	}
	if _, err := a.Sign(context.Background(), authorityProfile(authorityKey(t, issuance.P256).Public())); err != nil {
		t.Errorf("signing goes on all the same: %v", err)
	}
}
