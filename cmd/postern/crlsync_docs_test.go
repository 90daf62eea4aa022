package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// TestThePageOfCRLSyncIsComplete looks for each flag, metric and reason in the
// page, and for nothing else.
func TestThePageOfCRLSyncIsComplete(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/web-services/crl-sync.md")
	must(t, err)
	var help bytes.Buffer
	if status := cli.Run(t.Context(), cli.Options{Args: []string{"crl-sync", "--help"}, Out: &help, Err: &help}); status != cli.StatusDone {
		t.Fatalf("status %d: %s", status, &help)
	}
	flag := regexp.MustCompile(`--[a-z][a-z-]+`)
	known := flag.FindAllString(help.String(), -1)
	for _, name := range known {
		if name != "--help" && !strings.Contains(string(page), "`"+name) {
			t.Errorf("the page lacks %s", name)
		}
	}
	for _, name := range flag.FindAllString(string(page), -1) {
		if !slices.Contains(known, name) && name != "--now" { // systemctl's
			t.Errorf("the page has %s, which is no flag", name)
		}
	}
	sources, err := filepath.Glob("crlsync/*.go")
	must(t, err)
	for _, path := range append(sources, "../../ca/crlfile/errors.go") {
		source, err := os.ReadFile(path)
		must(t, err)
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, name := range regexp.MustCompile(`"(postern_crl_sync_\w+|crl-[a-z]+)"|reason[A-Z]\w+ += "(.+?)"`).FindAllStringSubmatch(string(source), -1) {
			if name := name[1] + name[2]; name != "other" && !strings.Contains(string(page), "`"+name) {
				t.Errorf("the page lacks %s", name)
			}
		}
	}
}

// TestTheUnitsAreConfined has systemd judge what each service could do to its
// machine, from 0 to 10: it must stay below 2.
func TestTheUnitsAreConfined(t *testing.T) {
	t.Parallel()
	units, err := filepath.Glob("../../packaging/systemd/*.service")
	must(t, err)
	if len(units) < 3 {
		t.Fatalf("there are %d services only", len(units))
	}
	for _, unit := range units {
		out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", unit).CombinedOutput()
		score := regexp.MustCompile(`exposure level for \S+: (\d+\.\d+)`).FindSubmatch(out)
		if err != nil || score == nil || string(score[1]) >= "2.0" || len(score[1]) != 3 {
			t.Errorf("%s: %v: %s", unit, err, out)
		}
	}
}

// TestTheUnitsAreSound has systemd read the units, and the program the commands in them.
func TestTheUnitsAreSound(t *testing.T) {
	t.Parallel()
	units, err := filepath.Glob("../../packaging/systemd/*")
	must(t, err)
	if len(units) < 4 {
		t.Fatalf("there are %d units only", len(units))
	}
	dir := t.TempDir()
	verify := []string{"verify", "--man=no"}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		must(t, err)
		if c := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/postern (.*)$`).FindSubmatch(text); c != nil {
			var said bytes.Buffer
			if status := cli.Run(t.Context(), cli.Options{Args: append(strings.Fields(string(c[1])), "--help"), Out: &said, Err: &said, Commands: commands()}); status != cli.StatusDone {
				t.Errorf("%s: %q: %s", unit, c[1], &said)
			}
		}
		path := filepath.Join(dir, filepath.Base(unit))
		must(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte("/usr/bin/postern"), []byte("/bin/true")), 0o644))
		verify = append(verify, path)
	}
	out, err := exec.Command("systemd-analyze", verify...).CombinedOutput()
	// Before systemd 253; postern.service has a type for that above this one.
	out = regexp.MustCompile(`(?m)^.*/postern\.service:\d+: Failed to parse service type, ignoring: notify-reload\n`).ReplaceAll(out, nil)
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze (Debian's package systemd): %v: %s", err, out)
	}
}
