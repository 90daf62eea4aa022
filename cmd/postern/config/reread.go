package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/postern-ca/postern/issuance"
)

// Reread returns c with every secret that came from a file read again, or an [*Error]. c
// is not changed.
func (c *Config) Reread() (*Config, error) {
	next := *c
	next.origins, next.secretFiles = maps.Clone(c.origins), maps.Clone(c.secretFiles)
	next.Auth.Callers = slices.Clone(c.Auth.Callers)
	p := new(problems)
	for _, l := range next.everyLeaf() {
		if path := c.secretFiles[l.key]; path != "" {
			next.giveFile(l, c.origins[l.key], path, p)
		}
	}
	next.check(p)
	return &next, p.err()
}

// Changed returns the keys whose values differ between c and next, in the order
// of the file that `init` writes. A table is one key.
func (c *Config) Changed(next *Config) (keys []string) {
	theirs := next.leaves()
	for i, l := range c.leaves() {
		if !reflect.DeepEqual(l.value.Interface(), theirs[i].value.Interface()) {
			keys = append(keys, l.key)
		}
	}
	return keys
}

// With returns c with next's values of keys, as [Config.Changed] returns them.
func (c *Config) With(next *Config, keys []string) *Config {
	merged := *c
	theirs := next.leaves()
	for i, l := range merged.leaves() {
		if slices.Contains(keys, l.key) {
			l.value.Set(theirs[i].value)
		}
	}
	merged.origins, merged.secretFiles = next.origins, next.secretFiles
	return &merged
}

// Locate returns err with the place where its key was set, if it is about one: the
// errors of the server's parts name the key of a wrong setting.
func (c *Config) Locate(err error) error {
	e, ok := err.(*issuance.Error) //nolint:errorlint // one that is wrapped says what was being done, too
	if !ok || !slices.ContainsFunc(c.everyLeaf(), func(l leaf) bool { return l.key == e.Field }) {
		return err
	}
	p := new(problems)
	checker{c, p}.say(e.Field, e.Message, e.Hint)
	return p.err()
}

// everyLeaf is leaves with the keys of each row of a table instead of the table.
func (c *Config) everyLeaf() []leaf { return withRows(c.leaves()) }

func withRows(leaves []leaf) (all []leaf) {
	for _, l := range leaves {
		if !isTable(l.value.Type()) {
			all = append(all, l)
			continue
		}
		for i := range l.value.Len() {
			all = append(all, withRows(leavesOf(l.value.Index(i), fmt.Sprintf("%s[%d].", l.key, i)))...)
		}
	}
	return all
}
