package crlsync_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/crlsync"
	"github.com/postern-ca/postern/issuance"
)

// TestADirectoryOfSomebodyElseIsRefused has links of another user lie where our
// files would be: root must write none of them where they lead. Another user's is a
// directory that belongs to one, or that one may write to, or that lies in such a one.
func TestADirectoryOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir, below string){
		"for all":   func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777)) },
		"sticky":    func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777|os.ModeSticky)) },
		"the group": func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o770)); otherGroup(t, dir) },
		"the owner": func(t *testing.T, dir, _ string) { other(t, dir) },
		"one above": func(t *testing.T, _, below string) { other(t, below) },
		"the way of a link": func(t *testing.T, dir, below string) {
			must(t, os.Rename(dir, dir+"-real"))
			must(t, os.Symlink(dir+"-real", dir))
			other(t, below)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBeside(t)
			b.origin.serve(b.origin.lists(t, list{Number: 1}))
			below := filepath.Join(b.dir, "below")
			b.dir = filepath.Join(below, "their")
			must(t, os.MkdirAll(b.dir, 0o755))
			b.options.Out, b.options.Reload = filepath.Join(b.dir, "crl-bundle.pem"), "true"
			victims := plantLinks(t, b.dir)
			spoil(t, b.dir, below)
			s, err := crlsync.New(b.options)
			if err == nil {
				err = s.Once(t.Context())
			}
			if issuance.KindOf(err) != issuance.Conflict || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("got %v, want a refusal", err)
			}
			if e, ok := errors.AsType[*issuance.Error](err); !ok || !strings.Contains(e.Hint, "subPath") {
				t.Errorf("%v does not say what to do with a container's volume", err)
			}
			victims(t)
		})
	}
}

// TestALinkIsNotFollowed has the links lie in a directory of our own: it may have
// been another's before.
func TestALinkIsNotFollowed(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	want := b.origin.serve(b.origin.lists(t, list{Number: 1}))
	b.options.Reload = "false"
	victims := plantLinks(t, b.dir)
	if err := b.once(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v, want a refusal", err)
	}
	victims(t)
	for _, kind := range []string{"lock", "reload-owed", "alerted"} {
		must(t, os.Remove(filepath.Join(b.dir, ".crl-bundle.pem."+kind)))
	}
	if err := b.once(); err == nil || !strings.Contains(err.Error(), "was not told") {
		t.Errorf("got %v, want only the reload to fail", err)
	}
	if b.read("crl-bundle.pem") != string(want) {
		t.Error("the file was not written")
	}
	victims(t)
}

// TestTheDirectoryIsLookedAtEachTime has the directory given away while it runs.
func TestTheDirectoryIsLookedAtEachTime(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.origin.serve(b.origin.lists(t, list{Number: 1}))
	s := b.sync()
	must(t, os.Chmod(b.dir, 0o777))
	if err := s.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// plantLinks puts links at the names that lie beside the file, and returns a check
// that nothing has come where they lead.
func plantLinks(t *testing.T, dir string) (check func(*testing.T)) {
	t.Helper()
	target := t.TempDir()
	for _, kind := range []string{"new", "lock", "reload-owed", "alerted"} {
		must(t, os.Symlink(filepath.Join(target, kind), filepath.Join(dir, ".crl-bundle.pem."+kind)))
	}
	return func(t *testing.T) {
		t.Helper()
		found, err := os.ReadDir(target)
		must(t, err)
		for _, f := range found {
			t.Errorf("a link was followed: %s was made", f.Name())
		}
	}
}

// other gives a directory to another user, or what comes closest for one who is not root.
func other(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() == 0 {
		must(t, os.Chown(dir, 65534, 65534))
		return
	}
	must(t, os.Chmod(dir, 0o777))
}

func otherGroup(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() == 0 {
		must(t, os.Chown(dir, -1, 65534))
		return
	}
	must(t, os.Chmod(dir, 0o777)) // our own group may be ours alone
}
