package issuance

import (
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Quoted returns s in quotes, shortened and with nothing in it that could break a line.
func Quoted(s string) string { return strconv.Quote(clip(s, 64)) }

// list joins names with commas.
func list[T ~string](names []T) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return strings.Join(out, ", ")
}
