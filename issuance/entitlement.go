package issuance

// Every door and every send asks here first: an order's link, code, session, file
// and password serve nobody whose organisation, service or self was disabled since.

// entitled returns the contact of o, or why nobody may claim it (any more).
func (l reading) entitled(o *Order) (Contact, error) {
	c, err := l.contact(o.Contact)
	if err != nil {
		return c, err
	}
	s, err := l.Service(o.Service)
	if err != nil {
		return c, err
	}
	org, err := l.Organization(o.Organization)
	if err != nil {
		return c, err
	}
	return c, entitled(c, s, org)
}

// entitled returns why c may not receive a certificate for s of org, nil if it may.
func entitled(c Contact, s Service, org Organization) error {
	if !c.Disabled && c.MayReceive && !s.Disabled && !org.Disabled {
		return nil
	}
	return &Error{
		Kind: Conflict, Code: CodeCancelled, Message: "the contact or the service of this order is no longer authorised",
		Hint: "ask the people who sent you the link",
	}
}

// receiver is entitled in words for staff.
func (l reading) receiver(o *Order) (Contact, error) {
	c, err := l.entitled(o)
	if CodeOf(err) == CodeCancelled {
		return c, Invalidf("contact", "the order's contact, service or organisation is disabled or not authorised", "enable them, or cancel the order")
	}
	return c, err
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
