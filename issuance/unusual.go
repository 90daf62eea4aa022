package issuance

import (
	"errors"
	"slices"
	"time"
)

// Unusual is something about an order that its approver should know.
type Unusual struct {
	Code UnusualCode `json:"code"`
	Text string      `json:"text"`
}

// UnusualCode is a stable name for what is unusual, for programs.
type UnusualCode string

// The codes. All of these can be legitimate, but the approver should have
// considered them.
const (
	RenewsCompromised UnusualCode = "renews-compromised" // somebody else had the old key
	RenewsRevoked     UnusualCode = "renews-revoked"
	RenewsHeld        UnusualCode = "renews-held"
	RenewsEarly       UnusualCode = "renews-early"
	OtherReceiver     UnusualCode = "other-receiver" // than of the certificate that is renewed
	SecondCertificate UnusualCode = "second-certificate"
	SecondOrder       UnusualCode = "second-order"
	NewContact        UnusualCode = "new-contact"
	NewMobile         UnusualCode = "new-mobile"
	NewEmail          UnusualCode = "new-email"
)

// The bounds of what is usual.
const (
	newContactFor = 24 * time.Hour
	newMobileFor  = 7 * 24 * time.Hour
	earlyRenewal  = 120 * 24 * time.Hour // before the old one expires
)

// UnusualOf returns what is unusual about o at now, the most serious first.
func UnusualOf(tx Reader, o Order, now time.Time) ([]Unusual, error) {
	s := suspicion{Reader: tx, o: o, now: now}
	for _, look := range []func() error{s.renewal, s.others, s.receiver} {
		if err := look(); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return s.found, nil
}

// suspicion looks at one order.
type suspicion struct {
	Reader
	o     Order
	now   time.Time
	found []Unusual
}

func (s *suspicion) add(code UnusualCode, text string) {
	s.found = append(s.found, Unusual{code, text})
}

// renewal looks at the certificate that the order renews.
func (s *suspicion) renewal() error {
	if s.o.Renews == "" {
		return nil
	}
	old, err := s.Certificate(s.o.Renews)
	if err != nil {
		return err
	}
	name := "certificate " + string(old.Serial)
	switch {
	case old.Status == Revoked && old.Reason == KeyCompromise:
		s.add(RenewsCompromised, name+", which it renews, was revoked because its key was compromised: "+
			"make sure that the leak is closed, and that the contact is who you think")
	case old.Status == Revoked:
		s.add(RenewsRevoked, name+", which it renews, was revoked ("+string(old.Reason)+")")
	case old.Status == Held:
		s.add(RenewsHeld, name+", which it renews, is on hold")
	case s.now.Before(old.NotAfter.Add(-earlyRenewal)):
		s.add(RenewsEarly, name+", which it renews, is valid until "+old.NotAfter.Format(time.DateOnly))
	}
	if old.Contact != s.o.Contact {
		s.add(OtherReceiver, name+", which it renews, was received by another contact")
	}
	return nil
}

// others looks for other orders and certificates of the service.
func (s *suspicion) others() error {
	open, err := openOrders(s, OrderQuery{Service: s.o.Service})
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(other Order) bool { return other.ID == s.o.ID })
	if len(open) > 0 {
		s.add(SecondOrder, "there is another open order for the service, "+string(open[0].ID))
	}
	if s.o.Renews != "" {
		return nil
	}
	active, _, err := s.Certificates(CertificateQuery{Service: s.o.Service, Status: Active, Page: Page{Limit: MaxPage}})
	if i := slices.IndexFunc(active, func(c Certificate) bool {
		return c.Stands(s.now) && c.Order != s.o.ID
	}); err == nil && i >= 0 {
		s.add(SecondCertificate, "the service already has a certificate, which this order does not renew: "+
			string(active[i].Serial)+", valid until "+active[i].NotAfter.Format(time.DateOnly))
	}
	return err
}

// receiver looks at who will get the certificate.
func (s *suspicion) receiver() error {
	c, err := s.Contact(s.o.Contact)
	if err != nil {
		return err
	}
	if s.now.Before(c.CreatedAt.Add(newContactFor)) {
		s.add(NewContact, "the contact was added recently, at "+minute(c.CreatedAt))
	}
	if !c.MobileChangedAt.IsZero() && s.now.Before(c.MobileChangedAt.Add(newMobileFor)) {
		s.add(NewMobile, "the contact's mobile number changed recently, at "+minute(c.MobileChangedAt))
	}
	if !c.EmailChangedAt.IsZero() && s.now.Before(c.EmailChangedAt.Add(newMobileFor)) {
		s.add(NewEmail, "the contact's e-mail address changed recently, at "+c.EmailChangedAt.Format(time.RFC3339))
	}
	return nil
}

// minute writes t as the tables of the command line and of reports do.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// openOrders returns those orders of q that may still lead to a certificate.
func openOrders(tx OrderReader, q OrderQuery) (open []Order, err error) {
	for _, state := range []OrderState{RequestedState, InvitedState, LockedState, VerifiedState, IssuedState, DownloadedState} {
		q.State, q.Page = state, Page{Limit: MaxPage}
		some, _, err := tx.Orders(q)
		if err != nil {
			return nil, err
		}
		open = append(open, some...)
	}
	return open, nil
}
