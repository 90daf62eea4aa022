package backup

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/postern-ca/postern/issuance"
)

// chunk is how much of a file age encrypts and authenticates at once.
const chunk = 64 << 10

func newKey(t *testing.T) *age.X25519Identity {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// members are some files, one of them larger than three of age's chunks.
func members() []Member {
	large := make([]byte, 3*chunk+123)
	rand.Read(large)
	return []Member{Bytes("config/postern.yaml", []byte("data: .\n")), Bytes("ca/root.pem", []byte("root")), Bytes("postern.db", large)}
}

func written(t *testing.T, key *age.X25519Identity, all []Member) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, []age.Recipient{key.Recipient()}, About{Version: "test"}, all); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// extracted extracts into a new directory, whose files it returns.
func extracted(t *testing.T, data []byte, keys ...age.Identity) (string, About, error) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	about, err := Extract(bytes.NewReader(data), keys, root)
	return dir, about, err
}

func TestABackupHoldsWhatWasWritten(t *testing.T) {
	key, all := newKey(t), members()
	dir, about, err := extracted(t, written(t, key, all), key)
	if err != nil || about.Version != "test" {
		t.Fatalf("%+v: %v", about, err)
	}
	for _, m := range all {
		var want bytes.Buffer
		got, err := os.ReadFile(filepath.Join(dir, m.Name))
		if err := errors.Join(err, m.Write(&want)); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is another: %v", m.Name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, m.Name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v: %v", m.Name, info.Mode(), err)
		}
	}
	_, _, err = extracted(t, written(t, key, all), newKey(t))
	if issuance.KindOf(err) != issuance.Denied {
		t.Errorf("with another key: %v", err)
	}
}

// TestADamagedBackupIsRefused cuts a backup at the borders of age's chunks and
// around them, and changes a bit in each part of it.
func TestADamagedBackupIsRefused(t *testing.T) {
	key := newKey(t)
	whole := written(t, key, members())
	head := len(whole) - (len(whole)-200)/(chunk+16)*(chunk+16)
	var cuts []int
	for at := len(whole); at > 0; at -= 7919 {
		cuts = append(cuts, at-1)
	}
	for n := 0; n*(chunk+16) < len(whole); n++ {
		for _, d := range []int{-1, 0, 1, 16} {
			if at := head%(chunk+16) + n*(chunk+16) + d; at >= 0 && at < len(whole) {
				cuts = append(cuts, at)
			}
		}
	}
	for _, at := range cuts {
		if _, _, err := extracted(t, whole[:at], key); issuance.KindOf(err) != issuance.Invalid {
			t.Fatalf("cut after %d bytes of %d: %v", at, len(whole), err)
		}
	}
	for at := 0; at < len(whole); at += 4001 {
		altered := bytes.Clone(whole)
		altered[at] ^= 4
		if _, _, err := extracted(t, altered, key); err == nil {
			t.Fatalf("byte %d was changed, and nobody noticed", at)
		}
	}
	if _, _, err := extracted(t, append(bytes.Clone(whole), whole[len(whole)-100:]...), key); err == nil {
		t.Error("something behind the end was not noticed")
	}
	if _, _, err := extracted(t, []byte("no backup at all"), key); issuance.KindOf(err) != issuance.Invalid {
		t.Errorf("of a file that is no backup: %v", err)
	}
}

// TestWhatAgeDoesNotSeeIsRefused encrypts archives again, as whoever knows a
// recipient can: cut between members, with members swapped, added or left out.
func TestWhatAgeDoesNotSeeIsRefused(t *testing.T) {
	key := newKey(t)
	type entry struct {
		head tar.Header
		body []byte
	}
	opened, err := age.Decrypt(bytes.NewReader(written(t, key, members())), key)
	if err != nil {
		t.Fatal(err)
	}
	var whole []entry
	for in := tar.NewReader(opened); ; {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		body, e := io.ReadAll(in)
		if err := errors.Join(err, e); err != nil {
			t.Fatal(err)
		}
		whole = append(whole, entry{*head, body})
	}
	again := func(all []entry, end bool) []byte {
		var out bytes.Buffer
		sealed, err := age.Encrypt(&out, key.Recipient())
		w := tar.NewWriter(sealed)
		for _, e := range all {
			err = errors.Join(err, w.WriteHeader(&e.head))
			_, failed := w.Write(e.body)
			err = errors.Join(err, failed)
		}
		if end {
			err = errors.Join(err, w.Close())
		} else {
			err = errors.Join(err, w.Flush())
		}
		if err := errors.Join(err, sealed.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	if _, _, err := extracted(t, again(whole, true), key); err != nil {
		t.Fatalf("as it was: %v", err)
	}
	last := len(whole) - 1
	swapped := slices.Clone(whole)
	swapped[2].body, swapped[2].head.Size = []byte("toor"), 4
	turned := slices.Clone(whole)
	turned[1], turned[2] = turned[2], turned[1]
	link := entry{tar.Header{Typeflag: tar.TypeSymlink, Name: "ca/root.key", Linkname: "/etc/shadow"}, nil}
	out := entry{tar.Header{Typeflag: tar.TypeReg, Name: "../postern.db", Size: 1}, []byte("x")}
	for name, all := range map[string][]entry{
		"without the manifest":      whole[:last],
		"cut after its first":       whole[:2],
		"with another file":         swapped,
		"in another order":          turned,
		"without a file":            slices.Delete(slices.Clone(whole), 2, 3),
		"with a file too many":      slices.Insert(slices.Clone(whole), 3, entry{tar.Header{Typeflag: tar.TypeReg, Name: "ca/x.pem", Size: 1}, []byte("x")}),
		"with a file twice":         slices.Insert(slices.Clone(whole), 3, whole[2]),
		"with a link":               slices.Insert(slices.Clone(whole), 3, link),
		"with a file outside":       slices.Insert(slices.Clone(whole), 3, out),
		"with a file at its end":    append(slices.Clone(whole), whole[2]),
		"without what it holds":     whole[1:],
		"with nothing but its ends": {whole[0], whole[last]},
	} {
		for _, end := range []bool{true, false} {
			if _, _, err := extracted(t, again(all, end), key); issuance.KindOf(err) != issuance.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestAgeDecryptsIt has the age program decrypt a backup.
func TestAgeDecryptsIt(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(file("key"), []byte(key.String()), 0o600), os.WriteFile(file("b.age"), written(t, key, members()), 0o600)); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", "age -d -i key b.age | tar -tf -")
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := "about.json\nconfig/postern.yaml\nca/root.pem\npostern.db\nmanifest.json\n"; string(out) != want {
		t.Errorf("age and tar found %q, want %q", out, want)
	}
}

func TestAFileIsThereOnceItIsWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "postern.age")
	failed := errors.New("no")
	if err := WriteFile(path, func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("after a failure there is %v", left)
	}
	one := func(w io.Writer) error { _, err := io.WriteString(w, "one"); return err }
	if err := WriteFile(path, one); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, one); issuance.KindOf(err) != issuance.Conflict {
		t.Errorf("over a file that is there: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
}

func TestOldBackupsGo(t *testing.T) {
	now := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	d := Directory{Path: t.TempDir(), Keep: 2}
	for _, name := range []string{
		d.Name(now.AddDate(0, 0, -3)), d.Name(now.AddDate(0, 0, -2)), d.Name(now.AddDate(0, 0, -1)), d.Name(now.AddDate(3, 0, 0)),
		filepath.Join(d.Path, "mine.age"), filepath.Join(d.Path, unfinished+"1"),
	} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if newest, err := d.Newest(now); err != nil || !newest.Equal(now.AddDate(0, 0, -1)) {
		t.Errorf("the newest is of %v: %v", newest, err)
	}
	if err := d.Prune(now); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got, want := strings.Join(left, " "), "mine.age postern-20261126T030000Z.age postern-20261127T030000Z.age postern-20291128T030000Z.age"; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
}
