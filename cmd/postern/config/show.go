package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/postern-ca/postern/issuance"
)

// Effective returns the whole configuration as YAML: every key, secrets as [redacted],
// and after each key that is not at its default, where it was set.
func (c *Config) Effective() []byte {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	// Neither can fail: the tree has mappings and scalars, and memory takes all.
	_ = e.Encode(c.tree(reflect.ValueOf(c).Elem(), ""))
	_ = e.Close()
	return b.Bytes()
}

func (c *Config) tree(v reflect.Value, prefix string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == "" {
			continue
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: name}
		if isSection(v.Type().Field(i).Type) {
			n.Content = append(n.Content, key, c.tree(v.Field(i), prefix+name+"."))
			continue
		}
		if isTable(v.Field(i).Type()) && v.Field(i).Len() > 0 {
			key.HeadComment = c.origins[prefix+name]
			n.Content = append(n.Content, key, c.rows(v.Field(i), prefix+name))
			continue
		}
		value := (leaf{key: prefix + name, value: v.Field(i)}).node()
		if value.Kind == yaml.ScalarNode || value.Style == yaml.FlowStyle {
			value.LineComment = c.origins[prefix+name]
		} else {
			key.HeadComment = c.origins[prefix+name]
		}
		n.Content = append(n.Content, key, value)
	}
	return n
}

// rows is tree for each section of a table.
func (c *Config) rows(v reflect.Value, key string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range v.Len() {
		n.Content = append(n.Content, c.tree(v.Index(i), fmt.Sprintf("%s[%d].", key, i)))
	}
	return n
}

// node returns l's value as it stands in a file.
func (l leaf) node() *yaml.Node {
	if isTable(l.value.Type()) { // an empty one; Effective writes the others
		return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	}
	switch v := l.value.Interface().(type) {
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, s := range v {
			n.Content = append(n.Content, scalar(s, "!!str"))
		}
		return n
	case map[string]issuance.Secret:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range sortedNames(v) {
			n.Content = append(n.Content, scalar(name, "!!str"), scalar(v[name].String(), "!!str"))
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	case bool:
		return scalar(l.text(), "!!bool")
	case int:
		return scalar(l.text(), "!!int")
	}
	return scalar(l.text(), "!!str")
}

// scalar returns a value that reads back as tag, in quotes where YAML needs them.
func scalar(s, tag string) *yaml.Node {
	n := new(yaml.Node)
	n.SetString(s)
	n.Tag, n.Style = tag, 0
	if strings.Contains(s, "\n") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func sortedNames(m map[string]issuance.Secret) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Format prints c as Effective does, so that no log or error contains its secrets.
func (c *Config) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, strings.TrimSpace(string(c.Effective())))
}
