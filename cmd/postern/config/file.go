package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/postern-ca/postern/issuance"
)

// readFile sets what the YAML in text says. It walks the document itself instead of
// decoding it, so that each key keeps its line and one mistake does not hide another.
func (c *Config) readFile(text []byte, p *problems) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		p.add(syntax(c.file, err))
		p.broken = true
		return
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		p.add(Problem{Where: c.at(&more), Message: "a second document starts here", Hint: "keep one document, without ---"})
	}
	r := reader{c, p}
	r.section(doc.Content[0], reflect.ValueOf(c).Elem(), "")
}

// syntax turns an error of the YAML parser, "yaml: line 3: …", into a problem.
func syntax(file string, err error) Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): (.*)`).FindStringSubmatch(message); m != nil {
		file, message = file+":"+m[1], m[2]
	}
	return Problem{
		Where: file, Message: "this is not YAML: " + message,
		Hint: "check the indentation, colons, quotes and brackets on this line and around it",
	}
}

func (c *Config) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", c.file, n.Line) }

// reader walks a document.
type reader struct {
	*Config
	p *problems
}

// section reads the mapping n into v, whose keys begin with prefix.
func (r reader) section(n *yaml.Node, v reflect.Value, prefix string) {
	n = resolved(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.p.add(Problem{
			r.at(n), strings.TrimSuffix(prefix, "."), "must contain other keys, but has none here",
			"write them below it: " + strings.Join(names(v), ", "),
		})
		return
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		if first, twice := lines[k.Value]; twice {
			r.p.add(Problem{r.at(k), prefix + k.Value, fmt.Sprintf("appears twice, first in line %d", first), "keep one of the two"})
			continue
		}
		lines[k.Value] = k.Line
		r.key(k, value, v, prefix)
	}
}

// key reads one pair of a mapping.
func (r reader) key(k, n *yaml.Node, v reflect.Value, prefix string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("yaml")
		if name == "" {
			continue
		}
		l := leafOf(prefix, f, v.Field(i))
		switch {
		case name == k.Value && isSection(f.Type):
			r.section(n, v.Field(i), prefix+name+".")
			return
		case name == k.Value && isTable(f.Type):
			r.table(n, v.Field(i), prefix+name)
			return
		case name == k.Value:
			r.leaf(l, n)
			return
		case name+"_file" == k.Value && !isSection(f.Type) && l.secret():
			r.secretFile(l, n)
			return
		}
	}
	r.p.add(Problem{r.at(k), prefix + k.Value, "is not a known key", suggestion(k.Value, names(v))})
}

// leaf reads the value n of l. An empty one is one that was not set.
func (r reader) leaf(l leaf, n *yaml.Node) {
	n = resolved(n)
	where := r.at(n)
	switch {
	case isNull(n):
	case l.secret() && r.origins[l.key] != "":
		r.p.add(Problem{where, l.key, "is set, and " + l.key + "_file too", "keep one of the two"})
	case l.headers() && n.Kind == yaml.MappingNode:
		r.headers(l, n)
	case l.value.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		r.list(l, n)
	case n.Kind != yaml.ScalarNode:
		r.p.add(Problem{where, l.key, "has a list or keys where one value is expected", "write one value on this line"})
	default:
		value := n.Value
		if l.path {
			value = r.path(value)
		}
		r.give(l, where, value, r.p)
	}
}

func (r reader) list(l leaf, n *yaml.Node) {
	list := make([]string, 0, len(n.Content))
	for _, item := range n.Content {
		if item = resolved(item); item.Kind != yaml.ScalarNode || isNull(item) {
			r.p.add(Problem{r.at(item), l.key, "has an entry that is not a single value", "write one value for each entry"})
			return
		}
		if err := l.expanded(item.Value); err != nil {
			message, hint := told(err)
			r.p.add(Problem{r.at(item), l.key, message, hint})
			return
		}
		list = append(list, item.Value)
	}
	l.value.Set(reflect.ValueOf(list))
	r.origins[l.key] = r.at(n)
}

func (r reader) headers(l leaf, n *yaml.Node) {
	headers := make(map[string]issuance.Secret)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], resolved(n.Content[i+1])
		err := wrong("header "+quoted(k.Value)+" has no single value", "write it on one line")
		if value.Kind == yaml.ScalarNode {
			if err = l.expanded(value.Value); err == nil {
				err = addHeader(headers, k.Value, value.Value)
			}
		}
		if err != nil {
			message, hint := told(err)
			r.p.add(Problem{r.at(k), l.key, message, hint})
		}
	}
	l.value.Set(reflect.ValueOf(headers))
	r.origins[l.key] = r.at(n)
}

// secretFile reads the secret l from the file that n names.
func (r reader) secretFile(l leaf, n *yaml.Node) {
	n = resolved(n)
	switch where := r.at(n); {
	case isNull(n):
	case n.Kind != yaml.ScalarNode:
		r.p.add(Problem{where, l.key + "_file", "is not a file name", "write one file name on this line"})
	case r.origins[l.key] != "":
		r.p.add(Problem{where, l.key + "_file", "is set, and " + l.key + " too", "keep one of the two"})
	default:
		r.giveFile(l, where, r.path(n.Value), r.p)
	}
}

// path returns name as seen from where the file is.
func (r reader) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(r.file), name)
}

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// names returns the keys of a section, as a person writes them.
func names(v reflect.Value) (all []string) {
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" {
			all = append(all, name)
			if l := (leaf{value: v.Field(i)}); !isSection(v.Type().Field(i).Type) && l.secret() {
				all = append(all, name+"_file")
			}
		}
	}
	return all
}

// suggestion says which of known was meant by name.
func suggestion(name string, known []string) string {
	nearest := slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
	if distance(name, nearest) <= 2+len(name)/8 {
		return "did you mean " + nearest + "?"
	}
	if len(known) > 20 {
		return "remove it, or look for its name in the file that `postern init` writes"
	}
	return "remove it, or use one of " + strings.Join(known, ", ")
}

// distance is how many letters must be changed, put in or taken out to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			corner, row[j+1] = row[j+1], min(corner+cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
