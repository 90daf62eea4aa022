package main

import (
	"bytes"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/cli"
)

// servicePages returns the pages of docs/web-services by their names.
func servicePages(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../docs/web-services/*.md")
	must(t, err)
	pages := make(map[string]string)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		pages[filepath.Base(path)] = string(text)
	}
	if len(pages) < 10 {
		t.Fatalf("there are %d pages only", len(pages))
	}
	return pages
}

// ownedByPostern are the directories on a web service's machine whose files the
// pages make; all others are the reader's.
var ownedByPostern = regexp.MustCompile(`/(?:etc/postern|var/lib/postern-crl-sync)/[\w.-]*\w`)

// TestThePagesAreOneInstallation: each file that a page reads is made by a step of
// a page or by a unit, and each unit that is named exists.
func TestThePagesAreOneInstallation(t *testing.T) {
	t.Parallel()
	pages := servicePages(t)
	made := regexp.MustCompile(`(?:-o +|--out |cat > )(` + ownedByPostern.String() + `)`)
	makers := map[string]string{}
	for name, text := range pages {
		for _, step := range made.FindAllStringSubmatch(text, -1) {
			makers[step[1]] = name
		}
	}
	unit, err := os.ReadFile("../../packaging/systemd/postern-crl-sync.service")
	must(t, err)
	kept := regexp.MustCompile(`(?m)^Environment=POSTERN_CRL_SYNC_OUT=(.*)$`).FindStringSubmatch(string(unit))
	if kept == nil {
		t.Fatal("the unit does not say which file it keeps")
	}
	makers[kept[1]] = "the unit"
	if env := regexp.MustCompile(`(?m)^EnvironmentFile=(.*)$`).FindStringSubmatch(string(unit)); makers[env[1]] == "" {
		t.Errorf("the unit reads %s, which no step makes", env[1])
	}
	for name, text := range pages {
		for _, path := range ownedByPostern.FindAllString(text, -1) {
			if makers[path] == "" {
				t.Errorf("%s reads %s, which no step makes", name, path)
			}
			if strings.HasSuffix(path, "crl-bundle.pem") && path != kept[1] {
				t.Errorf("%s has the CRLs in %s, the unit in %s", name, path, kept[1])
			}
		}
	}
}

// TestTheUnitsOfThePagesExist looks at each systemctl, and at the names of units.
func TestTheUnitsOfThePagesExist(t *testing.T) {
	t.Parallel()
	others := []string{"nginx", "haproxy", "apache2", "app", "postern"}
	systemctl := regexp.MustCompile(`systemctl (?:enable --now|reload|restart|try-reload-or-restart|status) ([\w.-]*\w)`)
	named := regexp.MustCompile(`\bpostern-crl-sync[\w-]*\.(?:service|timer)\b`)
	for name, text := range servicePages(t) {
		for _, unit := range systemctl.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(unit[1], "postern-") {
				unit[1] = strings.TrimSuffix(unit[1], ".service") + ".service"
			}
			if _, err := os.Stat("../../packaging/systemd/" + unit[1]); err != nil && !slices.Contains(others, unit[1]) {
				t.Errorf("%s has %q, and there is no such unit", name, unit[0])
			}
		}
		for _, unit := range named.FindAllString(text, -1) {
			if _, err := os.Stat("../../packaging/systemd/" + unit); err != nil {
				t.Errorf("%s names the unit %s, which does not exist", name, unit)
			}
		}
		if strings.Contains(text, "systemctl reload ") {
			t.Errorf("%s has systemctl reload, which fails while the server is stopped", name)
		}
	}
}

// TestTheLinksOfThePagesLead follows each link to a page and a heading.
func TestTheLinksOfThePagesLead(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for name, text := range servicePages(t) {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			file, heading, _ := strings.Cut(l[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			to, err := os.ReadFile(filepath.Join("../../docs/web-services", file))
			if file == "" {
				to, err = []byte(text), nil
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if heading != "" && !slices.Contains(anchors(string(to)), heading) {
				t.Errorf("%s: %s has no heading %q", name, file, heading)
			}
		}
	}
}

// anchors returns the names under which the headings of a page are linked to.
func anchors(page string) (names []string) {
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		name := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(h[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// TestThePagesInstallAWebService does what the pages say, one after the other, in a
// directory instead of /: the files, crl-sync by its unit, nginx by its page.
func TestThePagesInstallAWebService(t *testing.T) {
	t.Parallel()
	f := newFrontier(t)
	f.shell("README.md", "files", map[string]string{"https://certs.example.com": f.h.cfg.Plain.URL})
	f.systemctl("nginx -p " + f.dir + " -c " + f.path("nginx.conf") + " -s reload")
	f.shell("crl-sync.md", "systemd", map[string]string{
		"http://pki.example.com": f.h.cfg.Plain.URL, "127.0.0.1:9790": "127.0.0.1:0", "packaging/systemd": f.absolute("../../packaging/systemd"),
	})
	f.unit("postern-crl-sync.service")
	f.await("the CRLs", func() bool {
		_, err := os.Stat(f.rooted("/var/lib/postern-crl-sync/crl-bundle.pem"))
		return err == nil
	})
	paths := f.nginxPaths()
	for path := range paths {
		if ownedByPostern.MatchString(path) {
			paths[path] = f.rooted(path)
		}
	}
	f.nginx(f.page("nginx.md", "crl", paths))
	fresh := func() bool {
		in, _ := f.visitor(&f.identity, tls.VersionTLS13, true).call(t.Context(), nil)
		return in
	}
	if !fresh() {
		t.Fatal("a valid certificate was refused")
	}
	f.status("revoke", "keyCompromise")
	f.await("the revoked certificate is refused", func() bool { return !fresh() })
}

// rooted returns where a file of the web service's machine is in this test.
func (f *frontier) rooted(path string) string { return filepath.Join(f.dir, "root", path) }

func (f *frontier) absolute(path string) string {
	f.t.Helper()
	path, err := filepath.Abs(path)
	must(f.t, err)
	return path
}

// systemctl makes a systemctl for those who have no systemd: it does nothing but
// run reload when it is to reload nginx.
func (f *frontier) systemctl(reload string) {
	f.t.Helper()
	must(f.t, os.MkdirAll(f.rooted("/bin"), 0o755))
	program := "#!/bin/sh\ncase \"$*\" in 'try-reload-or-restart nginx') [ ! -e " + f.path("nginx.pid") + " ] || exec " + reload + ";; esac\n"
	must(f.t, os.WriteFile(f.rooted("/bin/systemctl"), []byte(program), 0o755))
}

func (f *frontier) environment() []string {
	return append(os.Environ(), "PATH="+f.rooted("/bin")+":"+os.Getenv("PATH"))
}

// reroot puts the files of the web service's machine below the test's directory.
func (f *frontier) reroot(text string) string {
	return regexp.MustCompile(`/(etc/(postern|systemd)|var/lib)/`).ReplaceAllStringFunc(text, func(p string) string { return f.rooted(p) + "/" })
}

// shell runs a block of a page as its reader does.
func (f *frontier) shell(page, name string, replace map[string]string) {
	f.t.Helper()
	for _, dir := range []string{"/etc/systemd/system", "/var/lib"} {
		must(f.t, os.MkdirAll(f.rooted(dir), 0o755))
	}
	script := regexp.MustCompile(`/etc/postern\b`).ReplaceAllString(f.page(page, name, replace), f.rooted("/etc/postern"))
	script = strings.ReplaceAll(script, " /etc/systemd/", " "+f.rooted("/etc/systemd")+"/")
	c := exec.Command("sh", "-euc", script)
	c.Dir, c.Env = f.dir, f.environment()
	if out, err := c.CombinedOutput(); err != nil {
		f.t.Fatalf("%s, %s: %v\n%s", page, name, err, out)
	}
}

// unit runs the command of an installed unit, in the environment that the unit sets.
func (f *frontier) unit(name string) {
	f.t.Helper()
	text, err := os.ReadFile(f.rooted("/etc/systemd/system/" + name))
	must(f.t, err)
	setting := func(key string) []string {
		var values []string
		for _, m := range regexp.MustCompile(`(?m)^`+key+`=(.*)$`).FindAllStringSubmatch(f.reroot(string(text)), -1) {
			values = append(values, m[1])
		}
		return values
	}
	env := append(f.environment(), setting("Environment")...)
	for _, file := range setting("EnvironmentFile") {
		lines, err := os.ReadFile(file)
		must(f.t, err)
		for line := range strings.Lines(string(lines)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			env = append(env, key+"="+strings.Trim(value, `"`))
		}
	}
	for _, dir := range setting("StateDirectory") {
		must(f.t, os.MkdirAll(f.rooted("/var/lib/"+dir), 0o755))
	}
	command := strings.Fields(setting("ExecStart")[0])
	if command[0] != "/usr/bin/postern" {
		f.t.Fatalf("%s starts %q", name, command)
	}
	f.beginIn(env, "postern", command[1:]...)
}

// TestTheCommandsOfThePagesAreCommands gives each `postern ...` of the pages to the
// program, with --help.
func TestTheCommandsOfThePagesAreCommands(t *testing.T) {
	t.Parallel()
	command := regexp.MustCompile("(?m)(?:^    |`|^)postern ((?:[a-z0-9-]+ ?)+)")
	for name, text := range servicePages(t) {
		for _, c := range command.FindAllStringSubmatch(text, -1) {
			var said bytes.Buffer
			words := strings.Fields(c[1])
			status := cli.Run(t.Context(), cli.Options{Args: append(words, "--help"), Out: &said, Err: &said, Commands: commands()})
			// An unknown command has the help of the one above it.
			if status != cli.StatusDone || !strings.Contains(said.String(), "\n  postern "+words[0]) {
				t.Errorf("%s: %q: status %d: %s", name, c[0], status, &said)
			}
		}
	}
}
