package mark

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/issuance"
)

func opened(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func note(t *testing.T, f *File, n uint64) {
	t.Helper()
	last, _ := f.Last()
	err := f.Append(issuance.Progress{
		HighWater: issuance.HighWater{Change: n, Audit: 2 * n, CRLs: map[string]uint64{"issuing-1": 3 * n}}, Since: last.HighWater,
		Changes: []issuance.Revocation{{Seq: n, Serial: issuance.Serial("0a"), Status: issuance.Revoked}},
		Traces:  []issuance.Trace{{Seq: 2 * n, Verb: issuance.IssueVerb}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func journal(t *testing.T, path string) *issuance.Journal {
	t.Helper()
	j, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestWhatWasNotedIsThereAfterwards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.mark")
	if j := journal(t, path); j != nil {
		t.Errorf("without a file there is %v", j)
	}
	f := opened(t, path)
	if _, any := f.Last(); any {
		t.Error("an empty mark says something")
	}
	note(t, f, 1)
	note(t, f, 2)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mark has mode %v: %v", info.Mode(), err)
	}
	last, _ := opened(t, path).Last()
	if diff := cmp.Diff(issuance.HighWater{Change: 2, Audit: 4, CRLs: map[string]uint64{"issuing-1": 6}}, last.HighWater); diff != "" {
		t.Error(diff)
	}
	j := journal(t, path)
	if len(j.Changes) != 2 || len(j.Traces) != 2 || j.Since.Change != 0 || j.Blind {
		t.Errorf("the journal is %+v", j)
	}
}

// TestTornEndIsCut cuts the file all over its last line, as a crash may, and
// fills it up with what a disk may have there.
func TestTornEndIsCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.mark")
	f := opened(t, path)
	note(t, f, 1)
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	note(t, f, 2)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(first); cut < len(whole); cut += 23 {
		for _, rest := range [][]byte{nil, make([]byte, 40), []byte("rubbish\n\n")} {
			if err := os.WriteFile(path, append(bytes.Clone(whole[:cut]), rest...), 0o600); err != nil {
				t.Fatal(err)
			}
			again := opened(t, path)
			if last, _ := again.Last(); last.Change != 1 {
				t.Fatalf("cut after %d bytes of %d, the last note is of change %d", cut, len(whole), last.Change)
			}
			note(t, again, 3)
			again.Close()
			if j := journal(t, path); len(j.Changes) != 2 || j.Last.Change != 3 {
				t.Fatalf("cut after %d bytes, and noted again: %+v", cut, j)
			}
		}
	}
}

func TestDamageBeforeTheEndIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.mark")
	f := opened(t, path)
	note(t, f, 1)
	note(t, f, 2)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[20] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); issuance.KindOf(err) != issuance.Unavailable {
		t.Errorf("got %v", err)
	}
	if _, err := Read(path); issuance.KindOf(err) != issuance.Unavailable {
		t.Errorf("got %v", err)
	}
}

// TestItStaysSmall has it begin a new part again and again.
func TestItStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.mark")
	f := opened(t, path)
	f.limit = 1000
	for n := range uint64(100) {
		note(t, f, n+1)
	}
	j := journal(t, path)
	if j.Last.Change != 100 || j.Since.Change == 0 || j.Changes[0].Seq != j.Since.Change+1 || len(j.Changes) > 12 {
		t.Errorf("last %d, since %d, %d changes from %d on", j.Last.Change, j.Since.Change, len(j.Changes), j.Changes[0].Seq)
	}
	// A crash between the two steps of a new part: the older one is all there is.
	if err := errors.Join(os.Remove(path), f.Close()); err != nil {
		t.Fatal(err)
	}
	if last, any := opened(t, path).Last(); !any || last.Change < 90 {
		t.Errorf("with the older part alone, the last note is of change %d", last.Change)
	}
}

func TestALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "somebody's")
	if err := errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink(target, filepath.Join(dir, "postern.mark"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "postern.mark")); err == nil {
		t.Error("a link was followed")
	}
}
