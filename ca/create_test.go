package ca

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func TestCreateWritesAHierarchy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	if err := Create(authorityCreateOptions(dir)); err != nil {
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = info.Mode()
	}
	want := map[string]fs.FileMode{"root.pem": 0o644, "root.key": 0o600, "issuing-1.pem": 0o644, "issuing-1.key": 0o600, "root.crl": 0o644}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: got %v, %v, want mode 0700", info.Mode(), err)
	}
	a := authorityOpen(t, authorityOpenOptions(dir))
	root, issuing := a.Root(), a.Issuers()[0].Certificate
	if got, want := root.NotAfter, authorityStart().AddDate(20, 0, 0); !got.Equal(want) {
		t.Errorf("the root ends: got %s, want %s", got, want)
	}
	if got, want := issuing.NotAfter, authorityStart().AddDate(10, 0, 0); !got.Equal(want) {
		t.Errorf("the issuing CA ends: got %s, want %s", got, want)
	}
	if root.MaxPathLen != 1 || issuing.MaxPathLen != 0 || !issuing.MaxPathLenZero {
		t.Errorf("path lengths: got %d and %d, want 1 and 0", root.MaxPathLen, issuing.MaxPathLen)
	}
	if diff := cmp.Diff([]string{"http://pki.example.com/pki/crl/root.crl"}, issuing.CRLDistributionPoints); diff != "" {
		t.Errorf("the issuing CA's CRL (-want +got):\n%s", diff)
	}
}

func TestKeysAreEncryptedAndOpenElsewhere(t *testing.T) {
	dir := authorityMadeDir(t)
	for _, name := range []string{"root.key", "issuing-1.key"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")) {
			t.Errorf("%s begins with %.40q", name, data)
		}
		authorityRun(t, []byte(authorityPassphrase+"\n"), "openssl", "pkey", "-in", path, "-passin", "stdin", "-noout", "-check")
		if !strings.Contains(authorityRun(t, nil, "openssl", "asn1parse", "-in", path), "INTEGER           :0927C0\n") {
			t.Errorf("%s is not encrypted with 600,000 iterations of PBKDF2", name)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*CreateOptions)
		field  string
	}{
		"no directory":           {func(o *CreateOptions) { o.Dir = "" }, "data"},
		"no passphrase":          {func(o *CreateOptions) { o.Passphrase = issuance.Secret{} }, "passphrase"},
		"no organisation":        {func(o *CreateOptions) { o.OrganizationName = "" }, "organization_name"},
		"a long organisation":    {func(o *CreateOptions) { o.OrganizationName = strings.Repeat("x", 65) }, "organization_name"},
		"a NUL in the name":      {func(o *CreateOptions) { o.OrganizationName = "a\x00b" }, "organization_name"},
		"no trust domain":        {func(o *CreateOptions) { o.TrustDomain = "" }, "ca.trust_domain"},
		"one label":              {func(o *CreateOptions) { o.TrustDomain = "localhost" }, "ca.trust_domain"},
		"capitals":               {func(o *CreateOptions) { o.TrustDomain = "Example.com" }, "ca.trust_domain"},
		"a port":                 {func(o *CreateOptions) { o.TrustDomain = "example.com:443" }, "ca.trust_domain"},
		"a path":                 {func(o *CreateOptions) { o.TrustDomain = "example.com/org" }, "ca.trust_domain"},
		"a trailing dot":         {func(o *CreateOptions) { o.TrustDomain = "example.com." }, "ca.trust_domain"},
		"a hyphen at the end":    {func(o *CreateOptions) { o.TrustDomain = "example.com-" }, "ca.trust_domain"},
		"an empty label":         {func(o *CreateOptions) { o.TrustDomain = "example..com" }, "ca.trust_domain"},
		"a label of 64":          {func(o *CreateOptions) { o.TrustDomain = strings.Repeat("a", 64) + ".com" }, "ca.trust_domain"},
		"https":                  {func(o *CreateOptions) { o.URLs.Base = "https://pki.example.com" }, "plain.url"},
		"no URL":                 {func(o *CreateOptions) { o.URLs.Base = "" }, "plain.url"},
		"a URL with a query":     {func(o *CreateOptions) { o.URLs.Base = "http://pki.example.com/?a=b" }, "plain.url"},
		"a URL with a password":  {func(o *CreateOptions) { o.URLs.Base = "http://a:b@pki.example.com" }, "plain.url"},
		"a URL that is not one":  {func(o *CreateOptions) { o.URLs.Base = "http://[::1" }, "plain.url"},
		"a URL beyond ASCII":     {func(o *CreateOptions) { o.URLs.Base = "http://pkï.example.com" }, "plain.url"},
		"a URL with a line feed": {func(o *CreateOptions) { o.URLs.Base = "http://pki.example.com/\n" }, "plain.url"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := authorityCreateOptions(filepath.Join(t.TempDir(), "ca"))
			dir := o.Dir
			test.change(&o)
			if got := authorityError(t, Create(o)); got.Kind != issuance.Invalid || got.Field != test.field {
				t.Errorf("got %v of field %q, want invalid of field %q", got.Kind, got.Field, test.field)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a refused hierarchy left a directory behind")
			}
		})
	}
}

func TestCreateNeverReplaces(t *testing.T) {
	for _, name := range []string{"root.pem", "root.key", "issuing-1.pem", "issuing-1.key", "root.crl"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := authorityError(t, Create(authorityCreateOptions(dir))); got.Kind != issuance.Conflict {
			t.Errorf("with %s there: got %v, want a conflict", name, got)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "precious" {
			t.Errorf("%s was replaced by %q, %v", name, data, err)
		}
	}
}
