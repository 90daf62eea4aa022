package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// DefaultFile is read, if it exists, when no file is named.
const DefaultFile = "postern.yaml"

// Options says where a configuration comes from.
type Options struct {
	Path    string   // of the file; "" for POSTERN_CONFIG, then for DefaultFile if that is there
	Text    []byte   // what the file at Path will have; nil: it is read
	Environ []string // as os.Environ returns it
	Flags   []Flag
}

// Flag is a key that was set on the command line.
type Flag struct {
	Name  string // as the user wrote it, with its hyphens
	Key   string // as in public.listen
	Value string
}

// Load reads a configuration, fills in what follows from other keys, and checks it,
// files included. An [*Error] lists everything that is wrong with it.
func Load(o Options) (*Config, error) {
	c, p, err := read(o)
	if err != nil || p.broken {
		return nil, cmp.Or(err, p.err())
	}
	c.check(p)
	c.checkFiles(p)
	return c, p.err()
}

// read is Load without its checks.
func read(o Options) (*Config, *problems, error) {
	c := Defaults()
	c.origins, c.secretFiles = make(map[string]string), make(map[string]string)
	p := new(problems)
	env := environment(o.Environ)
	path, must := o.Path, o.Path != ""
	if path == "" {
		path, must = cmp.Or(env["POSTERN_CONFIG"], DefaultFile), env["POSTERN_CONFIG"] != ""
	}
	text, err := o.Text, error(nil)
	if text == nil {
		text, err = os.ReadFile(path)
	}
	switch {
	case err == nil:
		c.file = path
		c.Data = reader{Config: c}.path(c.Data) // the default, as if the file said so
		if c.readFile(text, p); p.broken {
			return c, p, nil
		}
	case must || !errors.Is(err, fs.ErrNotExist):
		return nil, p, &Error{[]Problem{{
			Where: path, Message: "the file cannot be read: " + reason(err),
			Hint: "choose another file with --config, or create one with `postern init`",
		}}}
	case !slices.ContainsFunc(slices.Collect(maps.Keys(env)), func(name string) bool { return !foreign(name) }):
		return nil, p, nothing(path)
	}
	c.readEnvironment(env, p)
	c.readFlags(o.Flags, p)
	c.complete()
	return c, p, nil
}

// nothing is the error of a server that nobody has set up yet, or that was
// started in another folder than it was set up in.
func nothing(path string) error {
	return &Error{[]Problem{{
		Message: "there is no " + path + " in this folder, and no POSTERN_ variable is set",
		Hint:    "create one with `postern init`, or choose yours with --config; `postern quickstart` needs none",
	}}}
}

// Check completes c and returns an [*Error] with everything that is wrong with it,
// without looking at files.
func (c *Config) Check() error {
	p := new(problems)
	c.complete()
	c.check(p)
	return p.err()
}

// give sets l to text that stands at where, or reports what is wrong with it.
func (c *Config) give(l leaf, where, text string, p *problems) {
	err := l.expanded(text)
	switch {
	case err != nil:
	case isTable(l.value.Type()):
		err = c.setTable(l, text)
	default:
		err = l.set(text)
	}
	if err != nil {
		message, hint := told(err)
		p.add(Problem{where, l.key, message, hint})
		return
	}
	c.origins[l.key] = where
}

// giveFile sets the secret l to what is in the file at path.
func (c *Config) giveFile(l leaf, where, path string, p *problems) {
	text, err := readSecret(path)
	if err != nil {
		message, hint := told(err)
		p.add(Problem{where, l.key + "_file", message, hint})
		p.seen[l.key] = true // that it is not set follows from this
		return
	}
	c.secretFiles[l.key] = path
	c.give(l, where, text, p)
}

// environment returns the variables that begin with POSTERN_ and are not empty:
// an empty one is one that was not set.
func environment(environ []string) map[string]string {
	env := make(map[string]string)
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "POSTERN_") && value != "" {
			env[name] = value
		}
	}
	return env
}

// readEnvironment sets the keys in env, and reports variables that match no key.
func (c *Config) readEnvironment(env map[string]string, p *problems) {
	var known []string
	for _, l := range c.leaves() {
		name := l.variable()
		known = append(known, name)
		value, given := env[name]
		file, byFile := "", false
		if l.secret() {
			known = append(known, name+"_FILE")
			file, byFile = env[name+"_FILE"]
		}
		switch {
		case given && byFile:
			p.add(Problem{name, l.key, "is set, and " + name + "_FILE too", "keep one of the two"})
		case given:
			c.give(l, name, value, p)
		case byFile:
			c.giveFile(l, name+"_FILE", file, p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !slices.Contains(known, name) && !foreign(name) {
			p.add(Problem{Where: name, Message: "is not a known key", Hint: suggestion(name, known)})
		}
	}
}

// foreign reports whether a variable is not about the server: the client's own,
// and those that Kubernetes and Docker links make for a service called postern.
func foreign(name string) bool {
	switch name {
	case "POSTERN_CONFIG", "POSTERN_SERVER", "POSTERN_TOKEN", "POSTERN_TOKEN_FILE", "POSTERN_CA", "POSTERN_BACKUP_PASSPHRASE":
		return true
	}
	return regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$`).MatchString(name)
}

func (c *Config) readFlags(flags []Flag, p *problems) {
	all := c.leaves()
	for _, f := range flags {
		i := slices.IndexFunc(all, func(l leaf) bool { return l.key == f.Key })
		if i < 0 {
			p.add(Problem{f.Name, f.Key, "is not a known key", suggestion(f.Key, Keys())})
			continue
		}
		c.give(all[i], f.Name, f.Value, p)
	}
}

// ByteOrderMark is U+FEFF, which editors on Windows put before a text in UTF-8.
const ByteOrderMark = "\ufeff"

// readSecret returns what is in a file, without the line break at its end and the
// byte order mark before it.
func readSecret(path string) (string, error) {
	if err := private(path, 0o007); err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", wrong(path+" cannot be read: "+reason(err), "make it readable for the user that runs Postern")
	}
	s := strings.TrimRight(string(withoutBOM(text)), "\r\n")
	switch {
	case strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff"):
		return "", wrong(path+" is saved as UTF-16", "save it as UTF-8 or ASCII text")
	case s == "":
		return "", wrong(path+" is empty", "write the secret into it")
	case len(s) > 64<<10:
		return "", wrong(path+" is too long for a secret", "use a file that contains only the secret")
	}
	return s, nil
}

// private returns an error unless path is a file with none of the permissions in others.
// Files under /run/secrets are accepted: container engines mount them there readable for
// all, but only in that container.
func private(path string, others fs.FileMode) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return wrong(path+" cannot be read: "+reason(err), "check the name and the permissions")
	case !info.Mode().IsRegular():
		return wrong(path+" is not a file", "use a file")
	case info.Mode().Perm()&others != 0 && !strings.HasPrefix(filepath.Clean(path), "/run/secrets/"):
		return wrong(fmt.Sprintf("%s is readable by other users (mode %#o)", path, info.Mode().Perm()), "chmod 600 "+path)
	}
	return nil
}

// reason returns what the operating system said, without the name of the file.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
