package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/storage/backup"
)

// Backup says when scheduled backups are made, and where they are kept.
type Backup struct {
	Directory string `yaml:"directory" config:"path" example:"/srv/backup/postern"` // empty: none are made
	// At is a time such as 02:30, in reports.time_zone; or off.
	At         string   `yaml:"at"`
	Keep       int      `yaml:"keep"` // the newest so many
	Recipients []string `yaml:"recipients" example:"[age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]"`
}

// Schedule returns when backups are made; [Load] has checked that it can be parsed.
func (c *Config) BackupSchedule() (report.Schedule, error) {
	zone, err := report.ParseZone(c.Reports.TimeZone)
	if err != nil {
		return report.Schedule{}, err
	}
	at, err := report.ParseDailyAt(c.Backup.At)
	return report.Schedule{Zone: zone, Daily: at}, err
}

func (k checker) backup() {
	b := k.Backup
	if _, err := report.ParseDailyAt(b.At); err != nil {
		k.say("backup.at", quoted(b.At)+" is not a time of day", "write it like 02:30, or off for no scheduled backups")
	}
	k.between("backup.keep", b.Keep, 1, 10_000)
	if len(b.Recipients) == 0 {
		if b.Directory != "" && b.At != "off" {
			k.need("backup.recipients", "",
				"list the public keys of those who may decrypt the backups, as `age-keygen` prints them (age1...)")
		}
		return
	}
	if _, err := backup.ParseRecipients("backup.recipients", b.Recipients); err != nil {
		message, hint := told(err)
		k.say("backup.recipients", message, hint)
	}
}

// Places reads where a configuration keeps things, without checking it, for a machine on
// which the files that it names do not exist yet.
func Places(o Options) (*Config, error) {
	c, p, err := read(o)
	if err == nil && p.broken {
		err = p.err()
	}
	return c, err
}

// Named returns the files that c names outside its data directory, by key, which the
// server would need on another machine. The seal key and the file of the CA's passphrase
// are not among them.
func (c *Config) Named() map[string]string {
	named := make(map[string]string)
	for _, l := range c.everyLeaf() {
		switch l.key {
		case "data", "storage.mark_file", "audit.checkpoint_file", "seal.key_file", "ca.passphrase", "backup.directory":
			continue
		}
		if name, ok := l.value.Interface().(string); ok && l.path && name != "" {
			named[l.key] = name
		}
		if name := c.secretFiles[l.key]; name != "" {
			named[l.key+"_file"] = name
		}
	}
	return named
}

// Beside returns how the configuration names a file: relative to itself where the
// file lies beside or below it, and as it is otherwise.
func (c *Config) Beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	rel, err := filepath.Rel(filepath.Dir(c.file), name)
	if err != nil || !filepath.IsLocal(rel) {
		return name
	}
	return rel
}

// Text returns the file that c was read from, nil if there was none, without the
// passphrase of the CA's keys unless that is wanted.
func (c *Config) Text(passphrase bool) ([]byte, error) {
	if c.file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if passphrase || !strings.HasPrefix(c.origins["ca.passphrase"], c.file+":") || c.secretFiles["ca.passphrase"] != "" {
		return text, nil
	}
	return withoutPassphrase(text)
}

// withoutPassphrase returns a configuration without the key ca.passphrase.
func withoutPassphrase(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) == 0 {
		return nil, errors.New("reading the configuration: this is not YAML")
	}
	drop(member(resolved(doc.Content[0]), "ca"), "passphrase")
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err := errors.Join(e.Encode(&doc), e.Close())
	return out.Bytes(), err
}

// member returns the value of a key of the mapping n, nil if there is none.
func member(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolved(n.Content[i+1])
		}
	}
	return nil
}

func drop(n *yaml.Node, key string) {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = append(n.Content[:i], n.Content[i+2:]...)
			return
		}
	}
}
