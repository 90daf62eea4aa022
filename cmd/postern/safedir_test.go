package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// TestNoKeysWhereOthersMayWrite has links lie where init would write its keys.
func TestNoKeysWhereOthersMayWrite(t *testing.T) {
	t.Parallel()
	cfg := config.Defaults()
	cfg.Data = t.TempDir()
	target := t.TempDir()
	must(t, os.Mkdir(filepath.Join(cfg.Data, "ca"), 0o700))
	must(t, os.Symlink(filepath.Join(target, "x"), filepath.Join(cfg.Data, "ca", "root.key.new")))
	must(t, os.Chmod(cfg.Data, 0o777))
	cfg.Seal.KeyFile = filepath.Join(cfg.Data, "seal.key")
	if err := initialize(cfg, time.Now); err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("got %v, want a refusal", err)
	}
	for _, dir := range []string{target, filepath.Join(cfg.Data, "seal.key")} {
		if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
			t.Errorf("%s has %v", dir, found)
		}
	}
}

// TestKeptFilesFollowNoLinks has a link lie where demo --keep would write.
func TestKeptFilesFollowNoLinks(t *testing.T) {
	t.Parallel()
	s := &story{demoOptions: demoOptions{data: t.TempDir()}}
	must(t, os.Mkdir(filepath.Join(s.data, "demo"), 0o700))
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.Symlink(victim, filepath.Join(s.data, "demo", "password.txt")))
	if err := s.write(map[string][]byte{"password.txt": []byte("x")}); err == nil {
		t.Error("a link was followed")
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("the victim was made")
	}
}
