package admin

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// shorten cuts text from a caller before it is put in an answer.
func shorten(s string) string {
	r := []rune(strings.ToValidUTF8(s, "�"))
	if len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return string(r)
}

func keysOf[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// orUse is the part of a hint that names the alternatives.
func orUse(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ", or use one of " + strings.Join(slices.Sorted(slices.Values(names)), ", ")
}
