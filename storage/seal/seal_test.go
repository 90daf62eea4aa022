package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/seal"
)

func ref(order issuance.OrderID) issuance.SecretRef {
	return issuance.SecretRef{Kind: issuance.SeedSecret, Owner: string(order)}
}

func mustCreate(t testing.TB) (*seal.Ring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seal.key")
	r, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return r, path
}

func mustSeal(t testing.TB, r *seal.Ring, ref issuance.SecretRef, secret string) []byte {
	t.Helper()
	sealed, err := r.Seal(ref, issuance.NewSecret([]byte(secret)))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func mustLoad(t testing.TB, path string) *seal.Ring {
	t.Helper()
	r, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealAndOpen(t *testing.T) {
	created, path := mustCreate(t)
	loaded := mustLoad(t, path)
	for _, secret := range []string{"", "x", strings.Repeat("a PKCS#12 file", 1000)} {
		sealed := mustSeal(t, created, ref("o1"), secret)
		got, err := loaded.Open(ref("o1"), sealed)
		if err != nil || string(got.Reveal()) != secret {
			t.Errorf("Open: got %q, %v, want %q", got.Reveal(), err, secret)
		}
		if len(secret) > 8 && bytes.Contains(sealed, []byte(secret[:8])) {
			t.Error("the secret stands in its envelope")
		}
	}
	if bytes.Equal(mustSeal(t, created, ref("o1"), "x"), mustSeal(t, created, ref("o1"), "x")) {
		t.Error("two envelopes of one secret are the same")
	}
}

func TestChangedEnvelopesDoNotOpen(t *testing.T) {
	r, _ := mustCreate(t)
	sealed := mustSeal(t, r, ref("o1"), "secret")
	for i := range sealed {
		for _, bit := range []byte{0x01, 0x80} {
			changed := bytes.Clone(sealed)
			changed[i] ^= bit
			if _, err := r.Open(ref("o1"), changed); !errors.Is(err, seal.ErrOpen) {
				t.Errorf("byte %d changed: got %v, want ErrOpen", i, err)
			}
		}
		if _, err := r.Open(ref("o1"), sealed[:i]); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("cut to %d bytes: got %v, want ErrOpen", i, err)
		}
	}
	if _, err := r.Open(ref("o1"), append(bytes.Clone(sealed), 0)); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("a byte more: got %v, want ErrOpen", err)
	}
}

func TestMovedEnvelopesDoNotOpen(t *testing.T) {
	r, _ := mustCreate(t)
	sealed := mustSeal(t, r, issuance.SecretRef{Kind: "ab", Owner: "c"}, "secret")
	for _, other := range []issuance.SecretRef{
		{Kind: "ab", Owner: "d"}, {Kind: "ax", Owner: "c"}, {Kind: "a", Owner: "bc"}, {Kind: "abc"}, {Owner: "abc"}, {},
	} {
		if _, err := r.Open(other, sealed); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("as %+v: got %v, want ErrOpen", other, err)
		}
	}
}

func TestOtherKeysDoNotOpen(t *testing.T) {
	a, _ := mustCreate(t)
	b, _ := mustCreate(t)
	if _, err := b.Open(ref("o1"), mustSeal(t, a, ref("o1"), "secret")); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("got %v, want ErrOpen", err)
	}
}

func TestRotation(t *testing.T) {
	old, path := mustCreate(t)
	sealed := mustSeal(t, old, ref("o1"), "secret")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	if err := os.WriteFile(path, append([]byte(first+"\r\n\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	both := mustLoad(t, path)
	if got, err := both.Open(ref("o1"), sealed); err != nil || string(got.Reveal()) != "secret" {
		t.Errorf("with the old key second: got %v, %v", got, err)
	}
	fresh := mustSeal(t, both, ref("o1"), "secret")
	if _, err := old.Open(ref("o1"), fresh); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("what the new key sealed opens with the old one: %v", err)
	}
	if both.Fresh(sealed) || !both.Fresh(fresh) || both.Fresh(nil) {
		t.Error("Fresh does not tell the first key's envelopes from others")
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, path := range map[string]string{
		"missing": filepath.Join(dir, "none"), "a directory": dir,
		"readable by the group": file("group", key, 0o640), "readable by all": file("all", key, 0o604), "writable by the group": file("write", key, 0o620),
		"empty": file("empty", "", 0o600), "comments alone": file("comments", "# no key\n", 0o600),
		"a short key": file("short", key[:40]+"\n", 0o600), "a long key": file("long", key+key+"\n", 0o600),
		"not base64": file("text", "correct horse battery staple\n", 0o600), "raw bytes": file("raw", strings.Repeat("\xff", 32), 0o600),
		"the same key twice": file("twice", key+"\n"+key+"\n", 0o600), "a second line that is no key": file("second", key+"\nx\n", 0o600),
		"too much": file("much", strings.Repeat("#\n", 100_000), 0o600),
	} {
		_, err := seal.Load(path)
		e, ok := errors.AsType[*issuance.Error](err)
		if !ok || e.Kind != issuance.Invalid || e.Field != "seal.key_file" || e.Hint == "" {
			t.Errorf("%s: got %v, want an Invalid error on seal.key_file with a hint", name, err)
		}
		if err != nil && strings.Contains(err.Error()+fmt.Sprintf("%+v", e), key[:8]) {
			t.Errorf("%s: the error has the key in it", name)
		}
		if missing := errors.Is(err, fs.ErrNotExist); missing != (name == "missing") {
			t.Errorf("%s: errors.Is(err, fs.ErrNotExist) is %v", name, missing)
		}
	}
}

func TestCreate(t *testing.T) {
	_, path := mustCreate(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode: got %v, %v, want 0600", info.Mode(), err)
	}
	before, _ := os.ReadFile(path)
	if _, err := seal.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a key file: got %v, want fs.ErrExist", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("Create changed the key file that was there")
	}
	if _, err := seal.Create(filepath.Join(path, "none", "key")); err == nil {
		t.Error("Create in no directory: got no error")
	}
}

func TestRingPrintsNothing(t *testing.T) {
	r, path := mustCreate(t)
	text, _ := os.ReadFile(path)
	lines := strings.Fields(string(text))
	key := lines[len(lines)-1]
	raw, _ := base64.StdEncoding.DecodeString(key)
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&out, verb, r)
		fmt.Fprintf(&out, verb, struct{ Key *seal.Ring }{r})
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "ring", r)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "ring", r)
	for _, form := range []string{key, string(raw), fmt.Sprintf("%x", raw), strings.Trim(fmt.Sprint(raw[:4]), "[]")} {
		if strings.Contains(out.String(), form) {
			t.Errorf("a ring prints its key: %s", out.String())
		}
	}
}

func FuzzOpen(f *testing.F) {
	r, _ := mustCreate(f)
	sealed := mustSeal(f, r, ref("o1"), "secret")
	f.Add(sealed, "o1")
	f.Add(sealed[:41], "o1")
	f.Add([]byte{1}, "")
	f.Add([]byte{}, "o2")
	f.Fuzz(func(t *testing.T, b []byte, order string) {
		got, err := r.Open(ref(issuance.OrderID(order)), b)
		if genuine := bytes.Equal(b, sealed) && order == "o1"; genuine != (err == nil) {
			t.Errorf("Open: got %v, %v", got, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r, _ := mustCreate(b)
	secret := issuance.NewSecret(make([]byte, 3000))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Seal(ref("o1"), secret); err != nil {
			b.Fatal(err)
		}
	}
}
