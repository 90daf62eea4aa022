package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// TestDiskFullIsSeen fills the disk of a house: whoever writes is told of the
// disk, /readyz and `postern health` say not ready, the metrics count, and once
// there is room the house is ready again although nobody comes to write.
func TestDiskFullIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		if os.Getenv("POSTERN_UNSHARED") != "" {
			t.Fatalf("a small disk cannot be mounted, as root of a user namespace either: %v", err)
		}
		again := exec.Command("unshare", "-rm", os.Args[0], "-test.run=^TestDiskFullIsSeen$", "-test.v")
		again.Env = append(os.Environ(), "POSTERN_UNSHARED=1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("the test in a user namespace: %v\n%s", err, out)
		}
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	cfg, err := demoConfig(dir)
	must(t, err)
	s := serveStory(t, cfg, time.Now)
	filler := filepath.Join(dir, "filler")
	must(t, fillDisk(filler))
	var told string
	for i := 0; told == ""; i++ { // free pages of the file are used up first
		body := `{"id":"o` + itoa(float64(i)) + `","name":"` + strings.Repeat("x", 60) + `"}`
		status, _, answer, err := s.do(t.Context(), s.client, http.MethodPost, cfg.Admin.URL+"/api/v1/organizations", "application/json", []byte(body))
		must(t, err)
		if status != http.StatusCreated {
			told = string(answer)
		}
		if i > 5000 {
			t.Fatal("the disk is not full")
		}
	}
	const names = "no space left on the disk that holds postern.db"
	if !strings.Contains(told, names) || !strings.Contains(told, `"status":503`) || !strings.Contains(told, "free some") {
		t.Errorf("whoever writes is told %s", told)
	}
	status, _, ready, err := s.do(t.Context(), s.client, http.MethodGet, cfg.Admin.URL+"/readyz", "", nil)
	must(t, err)
	if status != http.StatusServiceUnavailable || !strings.Contains(string(ready), names) || !strings.Contains(string(ready), "free some") {
		t.Errorf("/readyz is answered with %d %s", status, ready)
	}
	if status, _, ready, err := s.do(t.Context(), s.client, http.MethodGet, cfg.Public.URL+"/readyz", "", nil); err != nil || status != http.StatusServiceUnavailable || strings.Contains(string(ready), "disk") {
		t.Errorf("strangers get %d %s, %v", status, ready, err)
	}
	var out, problems bytes.Buffer
	if status := cli.Run(t.Context(), cli.Options{Args: []string{"health", "--url", cfg.Admin.URL}, In: strings.NewReader(""), Out: &out, Err: &problems}); status != 1 || !strings.Contains(problems.String(), names) {
		t.Errorf("postern health: status %d: %s", status, problems.String())
	}
	_, _, metrics, err := s.do(t.Context(), s.client, http.MethodGet, cfg.Admin.URL+"/metrics", "", nil)
	must(t, err)
	for _, want := range []string{`(?m)^postern_store_failed_commits_total [1-9]`, `(?m)^postern_store_free_bytes \d`} {
		if !regexp.MustCompile(want).Match(metrics) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	must(t, os.Remove(filler))
	for end := time.Now().Add(time.Minute); s.h.store.Health() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there is room again, and still: %v", s.h.store.Health())
		}
	}
	if status, _, ready, err := s.do(t.Context(), s.client, http.MethodGet, cfg.Public.URL+"/readyz", "", nil); err != nil || status != http.StatusOK {
		t.Errorf("with room again: %d %s, %v", status, ready, err)
	}
}

func fillDisk(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for piece := 64 << 10; piece > 0; {
		if _, err := f.Write(make([]byte, piece)); err != nil {
			piece /= 2
		}
	}
	return nil
}
