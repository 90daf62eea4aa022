package issuance

import "errors"

// endAll ends what is under way of those whom q names, and returns how many orders
// that were: whatever is enabled later, nothing comes of them any more.
func (w *work) endAll(by Actor, q OrderQuery, why string) (ended int, err error) {
	orders, err := w.underWay(q)
	for _, o := range orders {
		if err == nil {
			err = w.end(by, &o, why)
		}
	}
	return len(orders), err
}

// disabled ends what is under way of those whom q names, and notes in the detail of
// the verb's audit record how many orders that were.
func (w *work) disabled(by Actor, q OrderQuery, why string, detail map[string]string) error {
	ended, err := w.endAll(by, q, why)
	if ended > 0 {
		detail["orders ended"] = itoa(ended)
	}
	return err
}

// voidAll takes back the approvals of the orders of q, with all that came of them.
func (w *work) voidAll(by Actor, q OrderQuery, why string) error {
	orders, err := w.underWay(q)
	for _, o := range orders {
		if err == nil {
			err = w.void(by, &o, why)
		}
	}
	return err
}

// void takes back the approval of o: it can be approved again. What was
// downloaded, to be opened with a password that goes elsewhere now, is over.
func (w *work) void(by Actor, o *Order, why string) error {
	switch {
	case o.State == RequestedState, o.uninvited():
		return nil
	case o.State == LapsedState: // it can be sent a new link no more, also if what was changed is changed back
		o.Approval = voidApproval
		w.audit(by, VoidVerb, o, comment(why))
		return w.put(o)
	case o.State == DownloadedState, o.State == CompletedState:
		return w.end(by, o, why)
	case o.State == IssuedState:
		if err := w.revoke(by, o.Serial, CessationOfOperation, why); err != nil {
			return err
		}
	}
	if err := w.strip(o, why); err != nil {
		return err
	}
	w.audit(by, VoidVerb, o, comment(why))
	if err := w.giveUp(o); err != nil {
		return err
	}
	if err := o.Void(w.now); err != nil {
		return err
	}
	return w.put(o)
}

// underWay returns the orders of q that have a link, a code, a session, a file or
// a password, or may have them (again).
func (w *work) underWay(q OrderQuery) (all []Order, err error) {
	for _, q.State = range []OrderState{
		RequestedState, InvitedState, LockedState, LapsedState, VerifiedState,
		IssuedState, DownloadedState, CompletedState,
	} {
		for q.Page = (Page{Limit: MaxPage}); ; {
			var some []Order
			if some, q.After, err = w.Orders(q); err != nil {
				return nil, err
			}
			for _, o := range some {
				if keeps, err := w.keeps(&o); err != nil {
					return nil, err
				} else if keeps {
					all = append(all, o)
				}
			}
			if q.After == "" {
				break
			}
		}
	}
	return all, nil
}

// keeps reports whether something of o can still be used: of one that is completed
// the file, or a password that is sent again.
func (w *work) keeps(o *Order) (bool, error) {
	if o.State != CompletedState || !o.Wiped || o.Session.Digest != "" && w.now.Before(o.windowEnds(w.policy)) {
		return true, nil
	}
	_, err := w.Secret(secretOf(o.ID, PasswordSecret))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// end ends o wherever it is. What was issued and not delivered is revoked; what
// was delivered stays, and the browser that fetched it is shut out.
func (w *work) end(by Actor, o *Order, why string) error {
	verb, serial := CancelVerb, Serial("")
	var err error
	switch o.State {
	case CompletedState:
		verb, err = WipeVerb, o.Close(w.now)
	case DownloadedState:
		serial, err = o.Serial, o.Revoked(w.now)
	case IssuedState:
		serial, err = o.Serial, o.Cancel(by, why, w.now)
	default:
		err = o.Cancel(by, why, w.now)
	}
	if err == nil && serial != "" {
		err = w.revoke(by, serial, CessationOfOperation, why)
	}
	if err == nil {
		err = w.strip(o, why)
	}
	if err != nil {
		return err
	}
	w.audit(by, verb, o, comment(why))
	return w.put(o)
}

// strip takes from o all that opens something, on its way or kept. The caller puts o.
func (w *work) strip(o *Order, why string) error {
	o.Code.Live = false
	if err := w.forget(o.ID, LinkSecret, SeedSecret, PKCS12Secret, PasswordSecret); err != nil {
		return err
	}
	notices, err := w.unsent(o.ID)
	if err != nil {
		return err
	}
	for _, n := range notices {
		if err := w.withdraw(n, why); err != nil {
			return err
		}
	}
	return nil
}

// unsent returns the messages of the order with id that open something and were
// not accepted: those that wait, and those that staff could send again.
func (w *work) unsent(id OrderID) (all []Notice, err error) {
	for q := (NoticeQuery{Order: id, Page: Page{Limit: MaxPage}}); ; {
		var some []Notice
		if some, q.After, err = w.Notices(q); err != nil {
			return nil, err
		}
		for _, n := range some {
			if n.Kind.Opens() && (n.State == Pending || n.State == Failed) {
				all = append(all, n)
			}
		}
		if q.After == "" {
			return all, nil
		}
	}
}
