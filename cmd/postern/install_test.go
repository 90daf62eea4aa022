package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMakeInstall installs as a packager does: what is built goes below DESTDIR, and
// the units name the program where it will be. The build itself is left out: this
// test stands in for it.
func TestMakeInstall(t *testing.T) {
	t.Parallel()
	source, dest := t.TempDir(), t.TempDir()
	for from, to := range map[string]string{"../../Makefile": "Makefile", "../../packaging": "packaging"} {
		if out, err := exec.Command("cp", "-r", from, filepath.Join(source, to)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(source, "postern"), []byte("the program"), 0o700); err != nil {
		t.Fatal(err)
	}
	makeIn := func(target string) {
		t.Helper()
		c := exec.Command("make", target, "GO=true", "DESTDIR="+dest, "PREFIX=/opt/postern")
		c.Dir = source
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v: %s", target, err, out)
		}
	}
	makeIn("install")
	program := filepath.Join(dest, "opt/postern/bin/postern")
	if text, err := os.ReadFile(program); err != nil || string(text) != "the program" {
		t.Errorf("got %q, %v", text, err)
	}
	if info, err := os.Stat(program); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("got %v, %v", info, err)
	}
	units, err := os.ReadDir("../../packaging/systemd")
	if err != nil || len(units) == 0 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(filepath.Join(dest, "opt/postern/lib/systemd/system", unit.Name()))
		if err != nil || strings.Contains(string(text), "/usr/bin/postern") {
			t.Errorf("%s: %v; it names another program:\n%s", unit.Name(), err, text)
		}
	}
	makeIn("uninstall")
	if left, err := filepath.Glob(filepath.Join(dest, "opt/postern/*/*postern*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
