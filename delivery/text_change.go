package delivery

import "github.com/postern-ca/postern/issuance"

// change tells whoever has a contact's old address of a change, and how to stop it.
func (w *writer) change(d issuance.Dispatch) letter {
	l := w.letter("change")
	l.Opening = []string{w.say("change.what")}
	was, wanted := reached(d.Proposal.Was), reached(d.Proposal.Wanted)
	for _, c := range []struct {
		key         string
		was, wanted string
		changed     bool
	}{
		{"change.email", was.MaskedEmail(), wanted.MaskedEmail(), was.Email != wanted.Email},
		{"change.mobile", was.MaskedMobile(), wanted.MaskedMobile(), was.Mobile != wanted.Mobile},
		{
			"change.rights", "", "",
			was.Email == wanted.Email && was.Mobile == wanted.Mobile || d.Proposal.Was.Disabled && !d.Proposal.Wanted.Disabled,
		},
	} {
		if c.changed {
			w.facts.Was, w.facts.Wanted = c.was, c.wanted
			l.Opening = append(l.Opening, w.say(c.key))
		}
	}
	l.Opening = append(l.Opening, w.say("change.yours"))
	if link := w.stopLink(d); link != "" {
		l.Opening = append(l.Opening, w.say("change.stop"))
		l.Link, l.LinkLabel = link, w.say("change.link")
	} else {
		l.Opening = append(l.Opening, w.say("change.tell"))
	}
	w.support(&l)
	return l
}

// reached is a contact with p's address and number.
func reached(p issuance.Particulars) issuance.Contact {
	return issuance.Contact{Email: p.Email, Mobile: p.Mobile}
}

// changeSMS tells the old number.
func (w *writer) changeSMS(d issuance.Dispatch) string {
	if w.facts.Link = w.stopLink(d); w.facts.Link != "" {
		return w.say("change.sms.stop")
	}
	return w.say("change.sms")
}

// stopLink returns the address that stops the change, "" if nothing does.
func (w *writer) stopLink(d issuance.Dispatch) string {
	if d.Secret.Empty() {
		return ""
	}
	return w.brand.URL + "/stop/" + string(d.Secret.Reveal())
}
