package cli

import (
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// advice returns what to do about e: its hint, and the command that does it.
func advice(e *issuance.Error) string {
	command := CommandFor(e.Next)
	switch {
	case command == "":
		return e.Hint
	case e.Hint == "":
		return "run `" + command + "`"
	}
	return e.Hint + ": `" + command + "`"
}

// CommandFor returns the command that does what n says, "" if n says nothing.
func CommandFor(n issuance.Next) string {
	if n.Verb == "" || n.Noun == "" {
		return ""
	}
	words := []string{"postern", groupFor(n.Noun), string(n.Verb)}
	switch {
	case n.Verb == issuance.CreateLocalVerb:
		words = append(words[:2], "create", "--local")
	case n.ID == "":
	case n.Noun == issuance.AuditNoun:
		words = append(words, "--serial", n.ID)
	default:
		words = append(words, n.ID)
	}
	return strings.Join(words, " ")
}

// groupFor returns the command whose verbs are about noun.
func groupFor(noun issuance.Noun) string {
	switch noun {
	case issuance.OrganizationNoun:
		return "org"
	case issuance.CertificateNoun:
		return "cert"
	case issuance.AuditNoun:
		return "audit"
	}
	return string(noun)
}

// word returns s if a command may have it as one word, "" otherwise: an answer's
// advice is printed to be pasted into a shell.
func word(s string) string {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' {
			return ""
		}
	}
	return s
}
