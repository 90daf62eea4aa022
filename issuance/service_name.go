package issuance

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxServiceName is ub-common-name of RFC 5280, appendix A, in characters.
const maxServiceName = 64

// CleanServiceName returns a service's name without surrounding space and with
// single spaces, or an error of kind Invalid. A name is what people call the
// application, in letters and digits of any script. Other characters are allowed
// only if they have no meaning in the forms in which programs write a certificate's
// subject (RFC 4514, OpenSSL's one line, Envoy's header).
func CleanServiceName(name string) (string, error) {
	clean := strings.Join(strings.FieldsFunc(name, func(r rune) bool { return unicode.Is(unicode.Zs, r) }), " ")
	switch {
	case !utf8.ValidString(name):
		return "", Invalidf("name", "is not valid UTF-8", "save the text as UTF-8 and try again")
	case clean == "":
		return "", Invalidf("name", "is empty", "use 1 to "+itoa(maxServiceName)+" characters, for example my page")
	case utf8.RuneCountInString(clean) > maxServiceName:
		return "", Invalidf("name", "is longer than "+itoa(maxServiceName)+" characters", "shorten it")
	}
	named := false
	for i, r := range clean {
		if !inServiceName(r) || i == 0 && unicode.Is(unicode.M, r) {
			return "", Invalidf("name", "cannot have the character "+shown(r), "use letters, digits, spaces and "+serviceNameSigns)
		}
		named = named || unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	if !named {
		return "", Invalidf("name", "has no letter and no digit",
			"give the name that people call the application by, for example my page")
	}
	return clean, nil
}

// serviceNameSigns stand in names beside letters, marks, digits and spaces. A comma
// and a plus sign are quoted by every program that writes subjects for programs;
// without an equals sign, none of them begins another part of a subject.
const serviceNameSigns = "-_.&'’–()/+,:"

func inServiceName(r rune) bool {
	if unicode.In(r, unicode.L, unicode.M, unicode.Nd) {
		return !unseen(r)
	}
	return r == ' ' || strings.ContainsRune(serviceNameSigns, r)
}

// unseen reports whether r is a letter or mark that nobody sees.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// shown returns r in quotes, as its number if it cannot be seen.
func shown(r rune) string {
	if unicode.IsGraphic(r) && !unicode.Is(unicode.M, r) && !unseen(r) {
		return Quoted(string(r))
	}
	return fmt.Sprintf("%U", r)
}
