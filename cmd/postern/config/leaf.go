package config

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// leaf is one key with its place in a Config.
type leaf struct {
	key   string // path of yaml names
	value reflect.Value
	path  bool // a file name
	// example is a value as it stands in a file, "" if the default shows it; of a
	// secret the name of a file.
	example string
}

// leafOf returns the leaf of field f, whose value is v.
func leafOf(prefix string, f reflect.StructField, v reflect.Value) leaf {
	return leaf{prefix + f.Tag.Get("yaml"), v, f.Tag.Get("config") == "path", f.Tag.Get("example")}
}

// leaves returns every key of c, in the order of its fields.
func (c *Config) leaves() []leaf { return leavesOf(reflect.ValueOf(c).Elem(), "") }

func leavesOf(v reflect.Value, prefix string) (all []leaf) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("yaml")
		switch {
		case name == "":
		case isSection(f.Type):
			all = append(all, leavesOf(v.Field(i), prefix+name+".")...)
		default:
			all = append(all, leafOf(prefix, f, v.Field(i)))
		}
	}
	return all
}

// isSection reports whether t has keys of its own.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[issuance.Secret]() && t != reflect.TypeFor[issuance.Period]()
}

// secret reports whether l may also be given as the name of a file, with _file
// after its key.
func (l leaf) secret() bool {
	_, one := l.value.Interface().(issuance.Secret)
	return one || l.headers()
}

func (l leaf) headers() bool {
	_, many := l.value.Interface().(map[string]issuance.Secret)
	return many
}

// variable returns the environment variable that sets l.
func (l leaf) variable() string { return variableOf(l.key) }

func variableOf(key string) string {
	return "POSTERN_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// set gives l the value that is written as s. Its error says what is wrong and
// what to do, and never repeats a secret. A table is set by [Config.setTable].
func (l leaf) set(s string) error {
	var v any
	var err error
	switch l.value.Interface().(type) {
	case string:
		v = s
	case bool:
		v, err = parseBool(s)
	case int:
		v, err = parseInt(s)
	case time.Duration:
		v, err = parseDuration(s)
	case issuance.Period:
		v, err = issuance.ParsePeriod(s)
	case issuance.Secret:
		v = issuance.NewSecret([]byte(s))
	case []string:
		v = splitList(s)
	case map[string]issuance.Secret:
		v, err = parseHeaders(s)
	default:
		return fmt.Errorf("key %s has a type that cannot be set: %s", l.key, l.value.Type())
	}
	if err == nil {
		l.value.Set(reflect.ValueOf(v))
	}
	return err
}

// text returns l's value as set reads it; a secret as [redacted].
func (l leaf) text() string {
	switch v := l.value.Interface().(type) {
	case time.Duration:
		return formatDuration(v)
	case issuance.Secret:
		if v.Empty() {
			return ""
		}
		return v.String()
	case []string:
		return strings.Join(v, ", ")
	case map[string]issuance.Secret:
		return strings.Join(sortedNames(v), ", ")
	default:
		return fmt.Sprint(v)
	}
}

func wrong(message, hint string) error { return issuance.Invalidf("", message, hint) }

func parseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, wrong(quoted(s)+" is neither true nor false", "write true or false")
}

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, wrong(quoted(s)+" is not a whole number", "write it in digits, for example 5")
	}
	return n, nil
}

// parseDuration reads what [time.ParseDuration] does, and days: 7d.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, wrong(quoted(s)+" is not a duration", "write it with its unit, for example 90s, 30m, 168h or 7d")
	}
	return d, nil
}

// formatDuration writes d without the zeros that time.Duration ends with.
func formatDuration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// splitList reads a list as a variable or flag has it: separated by commas.
func splitList(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// parseHeaders reads HTTP headers, one a line.
func parseHeaders(s string) (map[string]issuance.Secret, error) {
	headers := make(map[string]issuance.Secret)
	for line := range strings.Lines(s) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, wrong("has a line without a colon", "write one header per line, for example Authorization: Bearer …")
		}
		if err := addHeader(headers, strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return nil, err
		}
	}
	return headers, nil
}

func addHeader(headers map[string]issuance.Secret, name, value string) error {
	canonical := http.CanonicalHeaderKey(name)
	if _, twice := headers[canonical]; twice {
		return wrong("header "+quoted(name)+" appears twice", "keep one of them")
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	}) {
		return wrong(quoted(name)+" is not a header name", "use letters, digits and hyphens, for example X-Api-Key")
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return wrong("the value of header "+quoted(name)+" has a line break or control character", "write it on one line")
	}
	headers[canonical] = issuance.NewSecret([]byte(value))
	return nil
}

// quoted returns s in quotes, shortened.
func quoted(s string) string {
	if r := []rune(s); len(r) > 64 {
		s = string(r[:64]) + "…"
	}
	return strconv.Quote(s)
}

// told returns what is wrong and what to do, of an error that set returned.
func told(err error) (message, hint string) {
	if e, ok := errors.AsType[*issuance.Error](err); ok {
		return e.Message, e.Hint
	}
	return err.Error(), "correct it and try again"
}

// Keys returns every key there is, in the order of the file that `init` writes.
func Keys() []string {
	all := Defaults().leaves()
	keys := make([]string, len(all))
	for i, l := range all {
		keys[i] = l.key
	}
	return keys
}
