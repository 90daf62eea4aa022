package issuance

// rename makes way for a service's new name and id: it refuses them once a
// certificate carries the old ones, and takes along what belongs to the service.
// The caller puts the service.
func (w *work) rename(old, s Service) error {
	if s.Name == old.Name && s.ID == old.ID {
		return nil
	}
	if err := w.renamable(old); err != nil || s.ID == old.ID {
		return err
	}
	if err := w.untaken(s); err != nil {
		return err
	}
	if err := w.moveOrders(old.ID, s.ID); err != nil {
		return err
	}
	return w.DeleteService(old.ID)
}

// renamable refuses a service with a certificate, or one that may be made at this
// moment, outside of any transaction.
func (w *work) renamable(s Service) error {
	certs, _, err := w.Certificates(CertificateQuery{Service: s.ID, Page: Page{Limit: 1}})
	if err != nil {
		return err
	}
	if len(certs) > 0 {
		return &Error{
			Kind: Conflict, Code: CodeState, Message: "certificates carry the name and the identifier of service " +
				string(s.ID) + ", which cannot change",
			Hint: "add another service under the new name, and order certificates for that",
		}
	}
	claims, _, err := w.Orders(OrderQuery{Service: s.ID, State: VerifiedState, Page: Page{Limit: 1}})
	if err != nil || len(claims) == 0 {
		return err
	}
	return &Error{
		Kind: Conflict, Code: CodeState,
		Message: "the certificate of order " + string(claims[0].ID) + " is being claimed under the current name",
		Hint:    "cancel that order, or keep the name", Next: Next{ShowVerb, OrderNoun, string(claims[0].ID)},
	}
}

// moveOrders gives the orders of a service, of which nothing has come so far, to
// the one that it becomes.
func (w *work) moveOrders(from, to ServiceID) error {
	orders, more, err := w.Orders(OrderQuery{Service: from, Page: Page{Limit: MaxPage}})
	if err != nil {
		return err
	}
	if more != "" {
		return tooMany(from)
	}
	for _, o := range orders {
		o.Service = to
		if err := w.PutOrder(o); err != nil {
			return err
		}
		if err := w.moveAbandoned(o.ID, to); err != nil {
			return err
		}
	}
	return nil
}

// moveAbandoned is moveOrders for the serial numbers that an order gave up. They are
// in no list but that of all such numbers, which may be long: the order's audit
// records name its own.
func (w *work) moveAbandoned(id OrderID, to ServiceID) error {
	given, err := w.DoneTo(id, AbandonVerb)
	if err != nil {
		return err
	}
	for _, r := range given {
		c, err := w.Certificate(r.Serial)
		if err != nil {
			return err
		}
		c.Service = to
		if err := w.PutCertificate(c); err != nil {
			return err
		}
	}
	return nil
}

func tooMany(id ServiceID) *Error {
	return &Error{
		Kind: Conflict, Code: CodeState, Field: "identifier", Message: "more than " + itoa(MaxPage) +
			" orders are for service " + string(id),
		Hint: "keep the identifier, or add another service",
	}
}
