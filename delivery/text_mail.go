package delivery

import (
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// letter is what the two layouts of a mail, plain text and HTML, have in common.
// Nothing in it is markup.
type letter struct {
	Language, Subject, Greeting string
	Opening                     []string // paragraphs
	Link, LinkLabel             string
	StepsTitle                  string
	Steps                       []string // numbered
	NeverTitle                  string
	Nevers                      []string // what not to do
	Closing                     []string
	Brand                       string
}

// letter begins a letter of kind, which is a prefix of keys.
func (w *writer) letter(kind string) letter {
	return letter{Language: w.say("language"), Subject: w.say(kind + ".subject"), Greeting: w.say("greeting"), Brand: w.brand.Name}
}

// support adds whom to ask, if there is somebody.
func (w *writer) support(l *letter) {
	key := ""
	switch {
	case w.facts.Phone != "" && w.facts.Support != "":
		key = "support.both"
	case w.facts.Phone != "":
		key = "support.call"
	case w.facts.Support != "":
		key = "support.write"
	default:
		return
	}
	l.Closing = append(l.Closing, w.say(key))
}

// invitation brings the link: who asks, what comes next, what never to do.
func (w *writer) invitation(d issuance.Dispatch) letter {
	w.facts.Expires = w.at(d.LinkExpires)
	l := w.letter("invitation")
	l.Opening = []string{w.say("invitation.who"), w.say("invitation.how")}
	l.Link, l.LinkLabel = w.brand.URL+"/c/"+string(d.Secret.Reveal()), w.say("invitation.link")
	l.StepsTitle = w.say("invitation.steps")
	l.Steps = []string{w.say("invitation.step.code"), w.say("invitation.step.file"), w.say("invitation.step.password")}
	l.NeverTitle = w.say("invitation.nevers")
	l.Nevers = []string{w.say("invitation.never.forward"), w.say("invitation.never.tell"), w.say("invitation.never.other")}
	l.Closing = []string{w.say("invitation.unexpected")}
	w.support(&l)
	return l
}

// status tells that a certificate was revoked, held or released: the status is
// the one that it has when the mail is written.
func (w *writer) status(d issuance.Dispatch) letter {
	w.facts.When = w.at(d.Certificate.Since())
	kind := "released"
	switch d.Certificate.Status {
	case issuance.Revoked:
		kind = "revoked"
		reason := d.Certificate.Reason
		if reason == "" {
			reason = issuance.Unspecified
		}
		w.facts.Reason = w.say("reason." + string(reason))
	case issuance.Held:
		kind = "held"
	}
	l := w.letter(kind)
	l.Opening = append([]string{w.say(kind + ".what"), w.say("certificate.serial")}, w.also(d)...)
	l.Opening = append(l.Opening, w.say(kind+".next"))
	w.support(&l)
	return l
}

// also lists the contact's certificates that were revoked with the one of d.
func (w *writer) also(d issuance.Dispatch) (lines []string) {
	if len(d.Also) == 0 {
		return nil
	}
	lines = []string{w.say("revoked.also")}
	for _, c := range d.Also {
		lines = append(lines, oneLine(string(c.Serial)+" ("+string(c.Service)+")", 2*nameLimit))
	}
	if w.facts.More = d.More; d.More > 0 {
		lines = append(lines, w.say("revoked.more"))
	}
	return lines
}

// renewed tells that a service has renewed its certificate without anybody.
func (w *writer) renewed(d issuance.Dispatch) letter {
	w.facts.When, w.facts.Expires = w.at(d.Certificate.IssuedAt), w.at(d.Certificate.NotAfter)
	l := w.letter("renewed")
	l.Opening = []string{w.say("renewed.what"), w.say("certificate.serial"), w.say("renewed.next")}
	w.support(&l)
	return l
}

// alert tells staff that something needs a person, in the registrar's own words.
func (w *writer) alert(d issuance.Dispatch) letter {
	l := w.letter("alert")
	l.Greeting = w.say("alert.greeting")
	for line := range strings.Lines(d.Notice.Text) {
		if line = oneLine(line, 1000); line != "" {
			l.Opening = append(l.Opening, line)
		}
	}
	l.Closing = []string{w.say("alert.why")}
	return l
}

// lineLength is how long a line of plain text becomes at most, if its words allow.
const lineLength = 72

// wrap breaks s into lines, each after the first with indent before it. It never
// breaks a word: a link stays one.
func wrap(indent, s string) string {
	var b strings.Builder
	length := len([]rune(indent))
	for i, word := range strings.Fields(s) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case length+1+n > lineLength:
			b.WriteString("\n" + indent)
			length = len([]rune(indent))
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += n
	}
	return b.String()
}
