package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

//go:embed postern.yaml.tmpl
var templateText string

// Template returns a commented postern.yaml with every key. A key that has its default
// in c is commented out. Secrets are never written: the caller names the file of the
// CA's passphrase.
func Template(c *Config, passphraseFile string) ([]byte, error) {
	own, standard := c.leaves(), Defaults().leaves()
	line := func(key string) (string, error) {
		i := slices.IndexFunc(own, func(l leaf) bool { return l.key == key })
		if i < 0 || own[i].secret() || isTable(own[i].value.Type()) && own[i].value.Len() > 0 {
			return "", fmt.Errorf("the template has a key %q that is not writable", key)
		}
		text, err := lineOf(own[i])
		if own[i].text() == standard[i].text() {
			text = own[i].withExample("# " + text)
		}
		return text, err
	}
	file := func(key string) (string, error) {
		if key == "ca.passphrase" && passphraseFile != "" {
			return yamlLine("passphrase_file", passphraseFile)
		}
		i := slices.IndexFunc(own, func(l leaf) bool { return l.key == key })
		return own[i].withExample("# " + own[i].name() + "_file:"), nil
	}
	t, err := template.New("postern.yaml").Funcs(template.FuncMap{"key": line, "file": file}).Parse(templateText)
	if err != nil {
		return nil, fmt.Errorf("reading the template of postern.yaml: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, nil); err != nil {
		return nil, fmt.Errorf("writing postern.yaml: %w", err)
	}
	return b.Bytes(), nil
}

// withExample returns the line of a key at its default, with a value that it may have.
func (l leaf) withExample(line string) string {
	if l.example == "" {
		return line
	}
	return line + "  # for example " + l.example
}

// lineOf returns l as one line of a file.
func lineOf(l leaf) (string, error) {
	n := l.node()
	if n.Kind == yaml.ScalarNode && n.Value == "" {
		return l.name() + ":", nil
	}
	return yamlLine(l.name(), n)
}

// name returns the last part of l's key.
func (l leaf) name() string { return l.key[strings.LastIndexByte(l.key, '.')+1:] }

func yamlLine(name string, value any) (string, error) {
	text, err := yaml.Marshal(map[string]any{name: value})
	return strings.TrimSpace(string(text)), err
}
