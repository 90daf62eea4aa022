package issuance

// onlyOrder refuses an order beside one that is open for the same: one successor
// of a certificate at a time, and no second order that nobody meant.
func (w *work) onlyOrder(q OrderRequest, s Service) error {
	if q.Renews != "" {
		return w.onlyRenewal(q.Renews, s)
	}
	if q.Another {
		return nil
	}
	open, err := openOrders(w, OrderQuery{Service: s.ID, Contact: q.Contact})
	if err != nil {
		return err
	}
	for _, o := range open {
		if o.Renews == "" && o.State != DownloadedState {
			return duplicate(o, "there is already an open order for this service and contact",
				"complete or cancel it, or confirm that you want a second order")
		}
	}
	return nil
}

// onlyRenewal refuses a successor of serial beside another.
func (w *work) onlyRenewal(serial Serial, s Service) error {
	old, err := issued(w, serial)
	if err != nil {
		return err
	}
	if old.Service != s.ID {
		return Invalidf("renews", "the certificate is of "+string(old.Service)+", the order for "+string(s.ID),
			"renew it for its own service")
	}
	open, err := openOrders(w, OrderQuery{Service: s.ID, Renews: serial})
	if err != nil {
		return err
	}
	if len(open) > 0 && open[0].State != DownloadedState {
		return duplicate(open[0], "an open order is already renewing this certificate", "complete or cancel that order first")
	}
	if old.RenewedBy == "" {
		return nil
	}
	next, err := w.Certificate(old.RenewedBy)
	if err == nil && next.Status != Revoked && !next.Expired(w.now) {
		err = &Error{
			Kind: Conflict, Code: CodeDuplicate, Field: "renews",
			Message: "the certificate has already been renewed, by " + string(next.Serial),
			Hint:    "renew the newer one, or revoke it first", Next: Next{ShowVerb, CertificateNoun, string(next.Serial)},
		}
	}
	return err
}

func duplicate(o Order, message, hint string) *Error {
	return &Error{
		Kind: Conflict, Code: CodeDuplicate, Message: message + ": " + string(o.ID) + ", " + string(o.State), Hint: hint,
		Next: Next{ShowVerb, OrderNoun, string(o.ID)},
	}
}
