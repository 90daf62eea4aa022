package ca

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func TestCreateWritesAHierarchy(t *testing.T) {
	dir := authorityDir(t)
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
	dir := authorityDir(t)
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

// authorityCrashDir names the environment variable that makes
// TestAuthorityCrashChild the process that is killed.
const authorityCrashDir = "AUTHORITY_CRASH_DIR"

func TestAuthorityCrashChild(t *testing.T) {
	if dir := os.Getenv(authorityCrashDir); dir != "" {
		runtime.LockOSThread() // strace counts system calls by thread
		if err := Create(authorityCreateOptions(dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCreateSurvivesSIGKILL kills Create at each fsync it makes: what is left is
// refused with an explanation or complete, and making it again works.
func TestCreateSurvivesSIGKILL(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("this test needs strace: install it with your system's packages")
	}
	const fsyncs = 13 // six files, each with its directory, and the directory at the end
	var left []string
	for n := 1; n <= fsyncs+1; n++ {
		dir := filepath.Join(t.TempDir(), "ca")
		cmd := exec.Command("strace", "-f", "-qq", "-e", "trace=fsync", "-e", fmt.Sprintf("inject=fsync:signal=SIGKILL:when=%d", n),
			"-o", os.DevNull, os.Args[0], "-test.run=^TestAuthorityCrashChild$")
		cmd.Env = append(os.Environ(), authorityCrashDir+"="+dir)
		out, err := cmd.CombinedOutput()
		if killed := err != nil; killed != (n <= fsyncs) {
			t.Fatalf("fsync %d: killed is %t; adjust the number of fsyncs in this test\n%s", n, killed, out)
		}
		_, opened := Open(authorityOpenOptions(dir))
		made := Create(authorityCreateOptions(dir))
		switch {
		case opened == nil && issuance.KindOf(made) != issuance.Conflict:
			t.Errorf("fsync %d: the hierarchy was complete, and making it again: %v", n, made)
		case opened != nil && made != nil:
			t.Errorf("fsync %d: the hierarchy is refused (%v) and cannot be made again: %v", n, opened, made)
		}
		if opened != nil {
			left = append(left, authorityError(t, opened).Message)
		}
		authorityOpen(t, authorityOpenOptions(dir))
	}
	if got := len(left); got < fsyncs-2 {
		t.Errorf("%d of %d killed hierarchies were refused, want nearly all", got, fsyncs)
	}
	explained := func(m string) bool {
		return strings.Contains(m, "interrupted") || strings.Contains(m, "has no root.pem")
	}
	if i := slices.IndexFunc(left, func(m string) bool { return !explained(m) }); i >= 0 {
		t.Errorf("a killed hierarchy is refused without saying why: %q", left[i])
	}
}
