package main

import (
	"regexp"
	"strings"
)

// unplain is a word or phrase that this project does not use, and what it says
// instead: one word for one thing, in the usual word order.
type unplain struct {
	word    string // a regular expression, in any case, at the borders of words
	instead string
	at      *regexp.Regexp
}

func unplains() []unplain {
	all := []unplain{
		{word: `mend(s|ed)?`, instead: "fix, correct"},
		{word: `octets?`, instead: "byte"},
		{word: `one-time passwords?`, instead: "one-time code"},
		{word: `the one importer of`, instead: "the only package that imports"},
		{word: `mutual tls|client-certificate tls`, instead: "two-way TLS"},
		{word: `is sound`, instead: "is valid"},
		{word: `turn(ed)? down`, instead: "reject"},
		{word: `withdraw(n)?`, instead: "cancel"},
		{word: `is not possible now`, instead: "so it cannot be"},
		{word: `what is in force`, instead: "the effective"},
		{word: `any more\)`, instead: "no longer valid"},
		{word: `there is a organi[sz]ation`, instead: "already exists"},
		{word: `the reasons stand in`, instead: "see"},
		{word: `time is over`, instead: "has expired"},
		{word: `who wants that says`, instead: "to ..., set ..."},
		{word: `tell nobody`, instead: "never share"},
		{word: `gets? into other hands`, instead: "is lost or stolen"},
		{word: `not called as it should be`, instead: "wrong usage"},
	}
	for i := range all {
		all[i].at = regexp.MustCompile(`(?i)(?:^|\W)(` + all[i].word + `)(?:$|\W)`)
	}
	return all
}

// find returns what of t us would say in another way, "" if nothing.
func find(t text, us []unplain) string {
	if strings.HasSuffix(t.File, "/de.yaml") || strings.HasSuffix(t.File, "/fr.yaml") {
		return ""
	}
	for _, u := range us {
		if hit := u.at.FindStringSubmatch(t.Text); hit != nil {
			return hit[1] + ": say " + u.instead
		}
	}
	return ""
}
