package issuance

import (
	"errors"
	"slices"
	"time"
)

// needing finds the certificates that are not over and need something.
func (c *clerk) needing(n Need, before time.Time, keep func(Certificate) (bool, error)) (found[Certificate], error) {
	return find(func(p Page) ([]Certificate, string, error) {
		return c.Certificates(CertificateQuery{Need: n, ExpiresFrom: c.now, ExpiresBefore: before, Page: p})
	}, keep)
}

// ending lists the certificates that end soon and that nothing follows.
func (c *clerk) ending() error {
	days := endingWithin()
	for _, n := range days {
		c.out.ToDo.Within = append(c.out.ToDo.Within, ReportWithin{Days: n})
	}
	f, err := c.needing(SuccessorNeed, c.now.Add(time.Duration(slices.Max(days))*oneDay), func(cert Certificate) (bool, error) {
		ordered, err := c.ordered(cert)
		if ordered || err != nil {
			return false, err
		}
		for i, n := range days {
			if cert.NotAfter.Before(c.now.Add(time.Duration(n) * oneDay)) {
				c.out.ToDo.Within[i].Count++
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	c.out.ToDo.Ending, err = listed(c, f, c.certificate)
	return err
}

// ordered reports whether there is an open order for the successor of cert.
func (c *clerk) ordered(cert Certificate) (bool, error) {
	orders, _, err := c.Orders(OrderQuery{Renews: cert.Serial})
	return slices.ContainsFunc(orders, func(o Order) bool {
		switch o.State {
		case RequestedState, InvitedState, VerifiedState, IssuedState, DownloadedState, LockedState:
			return true
		}
		return false
	}), err
}

func (c *clerk) superseded() error {
	f, err := c.needing(RevocationNeed, time.Time{}, nil)
	if err != nil {
		return err
	}
	c.out.ToDo.Superseded, err = listed(c, f, c.certificate)
	return err
}

// held lists those that somebody must decide about, those held for longest first.
func (c *clerk) held() error {
	f, err := c.needing(DecisionNeed, time.Time{}, nil)
	if err != nil {
		return err
	}
	slices.SortStableFunc(f.records, func(a, b Certificate) int { return a.ChangedAt.Compare(b.ChangedAt) })
	c.out.ToDo.Held, err = listed(c, f, c.certificate)
	return err
}

// unused lists those that have been active for long, and that nobody uses.
func (c *clerk) unused() error {
	c.out.Use.UnusedAfterDays = int(unusedAfter / oneDay)
	since := c.now.Add(-unusedAfter)
	f, err := c.needing(UseNeed, time.Time{}, func(cert Certificate) (bool, error) { return cert.IssuedAt.Before(since), nil })
	if err != nil {
		return err
	}
	c.out.Use.Unused, err = listed(c, f, c.certificate)
	return err
}

func (c *clerk) certificate(cert Certificate) (ReportCertificate, error) {
	name, err := c.name(cert.Contact)
	if err != nil {
		return ReportCertificate{}, err
	}
	u, err := c.Usage(cert.Serial)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return ReportCertificate{}, err
	}
	out := ReportCertificate{
		Serial: cert.Serial, Status: cert.Status, Organization: cert.Organization, Service: cert.Service, Contact: cert.Contact, ContactName: name,
		IssuedAt: cert.IssuedAt, NotAfter: cert.NotAfter, DaysLeft: int(cert.NotAfter.Sub(c.now) / oneDay), LastUsedAt: u.Last, RenewedBy: cert.RenewedBy,
	}
	if cert.Status == Held {
		out.Since, out.By, out.Comment = cert.ChangedAt, cert.ChangedBy.Name, cert.Comment
	}
	return out, nil
}

// refused lists the certificates that were expired, held or revoked and whose
// use was refused, the last refused first. The counts are since their issue:
// when which of them was is not kept.
func (c *clerk) refused() error {
	certificates := make(map[Serial]Certificate)
	f, err := find(func(p Page) ([]Usage, string, error) {
		return c.Usages(UsageQuery{RefusedFrom: c.out.From, Page: p})
	}, func(u Usage) (bool, error) {
		cert, err := c.Certificate(u.Serial)
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		certificates[u.Serial] = cert
		return true, err
	})
	if err != nil {
		return err
	}
	c.out.Use.Refused, err = listed(c, f, func(u Usage) (ReportRefusal, error) {
		cert := certificates[u.Serial]
		return ReportRefusal{
			Serial: u.Serial, Status: cert.Status, Expired: cert.Expired(c.now), Organization: cert.Organization, Service: cert.Service,
			Refused: u.Refused, LastAt: u.RefusedLast, Code: u.RefusedCode,
		}, nil
	})
	return err
}
