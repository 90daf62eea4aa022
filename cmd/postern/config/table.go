package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// isTable reports whether t is a list of sections, as auth.callers is. Its keys
// are auth.callers[0].name and so on; as a whole it is one key, which a variable
// can set in YAML.
func isTable(t reflect.Type) bool { return t.Kind() == reflect.Slice && isSection(t.Elem()) }

// table reads the sequence n of sections into v.
func (r reader) table(n *yaml.Node, v reflect.Value, key string) {
	n = resolved(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.p.add(Problem{r.at(n), key, "must be a list", "start each entry with a hyphen, and write its keys below: " +
			strings.Join(names(reflect.New(v.Type().Elem()).Elem()), ", ")})
		return
	}
	r.origins[key] = r.at(n)
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		entry := fmt.Sprintf("%s[%d]", key, i)
		r.origins[entry] = r.at(item)
		r.section(item, v.Index(i), entry+".")
	}
}

// setTable is table for YAML in a variable. Names of files in it are relative to
// the working directory.
func (c *Config) setTable(l leaf, s string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s), &doc); err != nil || len(doc.Content) == 0 {
		return wrong("this is not a list in YAML", "write it like [{name: edge, ...}]")
	}
	r := reader{&Config{origins: make(map[string]string), secretFiles: c.secretFiles}, new(problems)}
	r.table(doc.Content[0], l.value, l.key)
	if len(r.p.found) > 0 {
		first := r.p.found[0]
		return wrong(first.Key+" "+first.Message, first.Hint)
	}
	return nil
}

// whole returns the table that key is in, "" if it is in none.
func whole(key string) string {
	i := strings.LastIndexByte(key, '[')
	if i < 0 {
		return ""
	}
	return key[:i]
}
