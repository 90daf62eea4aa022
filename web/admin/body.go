package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// fields are the members that a body may have: a flat object.
type fields map[string]field

// field says where a member's value is stored, and which type it must have.
type field struct {
	want string
	set  func(any) bool // false: another type
}

// text is a member that is a string.
func text[T ~string](to *T) field {
	return field{"a string", func(v any) bool {
		s, ok := v.(string)
		*to = T(s)
		return ok
	}}
}

// flag is a member that is true or false.
func flag(to *bool) field {
	return field{"true or false", func(v any) (ok bool) {
		*to, ok = v.(bool)
		return ok
	}}
}

// texts is a member that is a list of strings.
func texts(to *[]string) field {
	return field{"a list of strings", func(v any) bool {
		list, ok := v.([]any)
		for _, item := range list {
			s, isText := item.(string)
			ok = ok && isText
			*to = append(*to, s)
		}
		return ok
	}}
}

// counts is a member that is a list of whole numbers from 0.
func counts(to *[]uint64) field {
	return field{"a list of whole numbers from 0", func(v any) bool {
		list, ok := v.([]any)
		for _, item := range list {
			n, isNumber := item.(json.Number)
			i, err := strconv.ParseUint(n.String(), 10, 64)
			ok = ok && isNumber && err == nil
			*to = append(*to, i)
		}
		return ok
	}}
}

// count is a member that is a whole number from 1.
func count(to *int) field {
	return field{"a whole number from 1", func(v any) bool {
		n, ok := v.(json.Number)
		if !ok {
			return false
		}
		i, err := strconv.Atoi(n.String())
		*to = i
		return err == nil && i > 0
	}}
}

// edits are the changes that a PATCH asks for. Members that it does not name stay as
// they are.
type edits[R any] []func(*R)

func (e edits[R]) apply(r *R) {
	for _, change := range e {
		change(r)
	}
}

// edit is a member that, if present, changes what at points to.
func edit[R, T any](e *edits[R], want string, at func(*R) *T, read func(any) (T, bool)) field {
	return field{want, func(v any) bool {
		value, ok := read(v)
		*e = append(*e, func(r *R) { *at(r) = value })
		return ok
	}}
}

func editText[R any, T ~string](e *edits[R], at func(*R) *T) field {
	return edit(e, "a string", at, func(v any) (T, bool) {
		s, ok := v.(string)
		return T(s), ok
	})
}

func editFlag[R any](e *edits[R], at func(*R) *bool) field {
	return edit(e, "true or false", at, func(v any) (bool, bool) {
		b, ok := v.(bool)
		return b, ok
	})
}

// decode reads a JSON object (RFC 8259) strictly: it refuses members that are not in
// fields, that appear twice or have another type, names in other letter case, and
// anything after the object.
func decode(raw []byte, fields fields) error {
	if !utf8.Valid(raw) {
		return malformed("the body is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if t, err := d.Token(); err != nil {
		return syntax(err)
	} else if t != json.Delim('{') {
		return malformed("the body is not a JSON object")
	}
	seen := make(map[string]bool)
	for d.More() {
		if err := member(d, fields, seen); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return syntax(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed("there is extra data after the JSON object")
	}
	return nil
}

// member reads one member into its field.
func member(d *json.Decoder, fields fields, seen map[string]bool) error {
	t, err := d.Token()
	if err != nil {
		return syntax(err)
	}
	name, ok := t.(string)
	if !ok {
		return malformed("a member has no name")
	}
	f, known := fields[name]
	switch {
	case !known:
		return issuance.Invalidf(shorten(name), "is not a known field", "omit it"+orUse(slices.Collect(keysOf(fields))))
	case seen[name]:
		return issuance.Invalidf(name, "appears more than once", "use it once")
	}
	seen[name] = true
	value, err := value(d)
	if err != nil {
		return syntax(err)
	}
	if !f.set(value) {
		return issuance.Invalidf(name, "is "+kindOf(value)+", not "+f.want, "give "+f.want)
	}
	return nil
}

// value reads a string, a number, true, false or null, or a list of those. Of an object,
// or of anything else that a list must not contain, it reads only the beginning.
func value(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil || t != json.Delim('[') {
		return t, err
	}
	list := []any{}
	for d.More() {
		item, err := d.Token()
		if err != nil {
			return nil, err
		}
		if _, nested := item.(json.Delim); nested {
			return item, nil
		}
		list = append(list, item)
	}
	_, err = d.Token()
	return list, err
}

func kindOf(v any) string {
	switch v := v.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	case json.Delim:
		if v == '[' {
			return "a list"
		}
		return "an object"
	}
	return "null"
}

func malformed(message string) *issuance.Error {
	return &issuance.Error{
		Kind: issuance.Invalid, Code: server.CodeSyntax, Message: message,
		Hint: `send one JSON object, for example {"name": "value"}`,
	}
}

// syntax says where the body stops being JSON, and does not repeat what is there.
func syntax(err error) *issuance.Error {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return malformed(fmt.Sprintf("the body is not valid JSON at byte %d", s.Offset))
	}
	return malformed("the body ends before the JSON object does")
}

// readError is the caller's fault, unless the body is too long for the server.
func readError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return malformed("the body did not arrive completely")
}

// checkMediaType accepts JSON in UTF-8, which is all that JSON can be.
func checkMediaType(header string) error {
	kind, params, err := mime.ParseMediaType(header)
	charset, given := params["charset"]
	if err == nil && (kind == "application/json" || kind == "application/merge-patch+json") &&
		(!given || strings.EqualFold(charset, "utf-8")) {
		return nil
	}
	return &issuance.Error{
		Kind: issuance.Invalid, Code: server.CodeMediaType,
		Message: "the Content-Type is not JSON", Hint: "send it with Content-Type: application/json",
	}
}
