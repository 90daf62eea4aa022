package issuance

import (
	"strings"
	"time"
)

// Every door and every send asks here first: an order's link, code, session, file
// and password serve nobody whose organisation, service or self was disabled since.

// voidApproval is the approval of a lapsed order that was taken back: it is of nothing.
const voidApproval Digest = "void"

// parties are whom an order is for.
type parties struct {
	contact      Contact
	service      Service
	organization Organization
}

func (l reading) partiesOf(o *Order) (p parties, err error) {
	if p.contact, err = l.contact(o.Contact); err != nil {
		return p, err
	}
	if p.service, err = l.Service(o.Service); err != nil {
		return p, err
	}
	p.organization, err = l.Organization(o.Organization)
	return p, err
}

// entitled returns the contact of o, or why nobody may claim it (any more).
func (l reading) entitled(o *Order) (Contact, error) {
	p, err := l.partiesOf(o)
	if err != nil {
		return p.contact, err
	}
	return p.contact, p.entitled(o)
}

// entitled returns why the contact may not claim o, nil if it may.
func (p parties) entitled(o *Order) error {
	if p.enabled() && p.approved(o) {
		return nil
	}
	return &Error{
		Kind: Conflict, Code: CodeCancelled, Message: "the contact or the service of this order is no longer authorised",
		Hint: "ask the people who sent you the link",
	}
}

// enabled reports whether the contact may receive anything for the service.
func (p parties) enabled() bool {
	return !p.contact.Disabled && p.contact.MayReceive && !p.service.Disabled && !p.organization.Disabled
}

// approved reports whether what was approved is so still. A renewal by its own
// certificate was never approved, nor was an order of a version that recorded nothing.
func (p parties) approved(o *Order) bool {
	return o.Approval == "" || o.Approval == p.approval() || o.Approval == p.unnamed()
}

// approval is what an approval of the order is bound to: the service, by id and
// name, the contact, the address and the number that link and code go to, and the
// organisation's name.
func (p parties) approval() Digest { return bound(append(p.bound(), p.organization.Name)) }

// unnamed is approval as versions recorded it that left out the organisation's name.
func (p parties) unnamed() Digest { return bound(p.bound()) }

func (p parties) bound() []string {
	return []string{string(p.service.ID), p.service.Name, string(p.contact.ID), p.contact.Email, p.contact.Mobile}
}

// bound is the digest of parts, none of which has a zero byte in it.
func bound(parts []string) Digest {
	return DigestOf(NewSecret([]byte(strings.Join(parts, "\x00"))))[:32]
}

func (l reading) approvalOf(o *Order) (Digest, error) {
	p, err := l.partiesOf(o)
	if err != nil {
		return "", err
	}
	return p.approval(), nil
}

// receiver is entitled in words for staff.
func (l reading) receiver(o *Order) (Contact, error) {
	p, err := l.partiesOf(o)
	switch {
	case err != nil:
		return p.contact, err
	case !p.enabled():
		return p.contact, Invalidf("contact", "the order's contact, service or organisation is disabled or not "+
			"authorised", "enable them, or cancel the order")
	case !p.approved(o):
		return p.contact, o.unapproved("what was approved has changed: the service of order " + string(o.ID) +
			", its contact's e-mail or mobile, or the organisation's name")
	}
	return p.contact, nil
}

// cooling returns for how long nothing that opens anything goes to c by channel: its
// address or number has changed just now.
func (l reading) cooling(c Contact, channel Channel) time.Duration {
	changed := c.EmailChangedAt
	if channel == SMS {
		changed = c.MobileChangedAt
	}
	if changed.IsZero() {
		return 0
	}
	return changed.Add(l.policy.CoolingOff).Sub(l.now)
}

// served refuses to give back trust to a certificate of a service, or of an
// organisation, that is disabled.
func (l reading) served(c *Certificate) error {
	s, err := l.Service(c.Service)
	if err != nil {
		return err
	}
	org, err := l.Organization(c.Organization)
	if err != nil || !s.Disabled && !org.Disabled {
		return err
	}
	return &Error{
		Kind: Conflict, Code: CodeState, Message: "the service or the organisation of certificate " + string(c.Serial) + " is disabled",
		Hint: "enable it first",
	}
}
