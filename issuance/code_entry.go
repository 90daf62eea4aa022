package issuance

import (
	"slices"
	"strings"
	"unicode"
)

// codeDigits is how many digits a one-time code has.
const codeDigits = 8

// cleanCode returns the one-time code in what a person entered or pasted: the
// digits alone, in groups, in another script's digits, or a whole text message.
// Two different codes in one text are an error, like none at all.
func cleanCode(entered string) (string, error) {
	if len(entered) <= 4096 && !strings.ContainsRune(entered, reversed) {
		if found := codesIn(Typed(entered)); len(found) == 1 {
			return found[0], nil
		}
	}
	return "", &Error{
		Kind: Invalid, Code: CodeMalformed, Field: "code", Message: "a code has eight digits",
		Hint: "enter the eight digits of the newest text message; this was not counted as a try",
	}
}

// reversed is the mark that shows text the other way round: nobody can say in
// which order its digits were meant.
const reversed = '\u202e'

// codesIn returns the different codes in s. If s is nothing but digits and what
// people put between them, all of them are one.
func codesIn(s string) (found []string) {
	between := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '.'
	}
	groups := strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	rest := strings.TrimFunc(s, func(r rune) bool { return r >= '0' && r <= '9' || between(r) })
	if rest == "" {
		groups = []string{strings.Join(groups, "")}
	}
	for i, g := range groups {
		if len(g) == codeDigits/2 && i+1 < len(groups) && len(groups[i+1]) == codeDigits/2 && besides(s, g, groups[i+1]) {
			g += groups[i+1]
		}
		if len(g) == codeDigits && !slices.Contains(found, g) {
			found = append(found, g)
		}
	}
	return found
}

// besides reports whether two groups of digits stand in s with one space or
// hyphen between them, as some write a code.
func besides(s, a, b string) bool {
	return strings.Contains(s, a+" "+b) || strings.Contains(s, a+"-"+b)
}
