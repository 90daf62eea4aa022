package report

import (
	"errors"
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// needing finds the certificates that are not over and need something.
func (c *clerk) needing(n issuance.Need, before time.Time, keep func(issuance.Certificate) (bool,
	error),
) (found[issuance.Certificate], error) {
	return find(func(p issuance.Page) ([]issuance.Certificate, string, error) {
		return c.Certificates(issuance.CertificateQuery{Need: n, ExpiresFrom: c.now, ExpiresBefore: before, Page: p})
	}, keep)
}

// ending lists the certificates that end soon and that nothing follows.
func (c *clerk) ending() error {
	days := endingWithin()
	for _, n := range days {
		c.out.ToDo.Within = append(c.out.ToDo.Within, Within{Days: n})
	}
	f, err := c.needing(issuance.SuccessorNeed, c.now.Add(time.Duration(slices.Max(days))*oneDay),
		func(cert issuance.Certificate) (bool, error) {
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
func (c *clerk) ordered(cert issuance.Certificate) (bool, error) {
	orders, _, err := c.Orders(issuance.OrderQuery{Renews: cert.Serial})
	return slices.ContainsFunc(orders, func(o issuance.Order) bool {
		switch o.State {
		case issuance.RequestedState, issuance.InvitedState, issuance.VerifiedState, issuance.IssuedState,
			issuance.DownloadedState, issuance.LockedState:
			return true
		}
		return false
	}), err
}

func (c *clerk) superseded() error {
	f, err := c.needing(issuance.RevocationNeed, time.Time{}, nil)
	if err != nil {
		return err
	}
	c.out.ToDo.Superseded, err = listed(c, f, c.certificate)
	return err
}

// held lists those that somebody must decide about, those held for longest first.
func (c *clerk) held() error {
	f, err := c.needing(issuance.DecisionNeed, time.Time{}, nil)
	if err != nil {
		return err
	}
	slices.SortStableFunc(f.records, func(a, b issuance.Certificate) int { return a.ChangedAt.Compare(b.ChangedAt) })
	c.out.ToDo.Held, err = listed(c, f, c.certificate)
	return err
}

// unused lists those that have been active for long, and that nobody uses.
func (c *clerk) unused() error {
	c.out.Use.UnusedAfterDays = int(issuance.UnusedAfter / oneDay)
	since := c.now.Add(-issuance.UnusedAfter)
	f, err := c.needing(issuance.UseNeed, time.Time{}, func(cert issuance.Certificate) (bool,
		error,
	) {
		return cert.IssuedAt.Before(since), nil
	})
	if err != nil {
		return err
	}
	c.out.Use.Unused, err = listed(c, f, c.certificate)
	return err
}

func (c *clerk) certificate(cert issuance.Certificate) (CertificateRow, error) {
	name, err := c.name(cert.Contact)
	if err != nil {
		return CertificateRow{}, err
	}
	u, err := c.Usage(cert.Serial)
	if err != nil && !errors.Is(err, issuance.ErrNotFound) {
		return CertificateRow{}, err
	}
	out := CertificateRow{
		Serial: cert.Serial, Status: cert.Status, Organization: cert.Organization, Service: cert.Service,
		Contact: cert.Contact, ContactName: name,
		IssuedAt: cert.IssuedAt, NotAfter: cert.NotAfter, DaysLeft: int(cert.NotAfter.Sub(c.now) / oneDay),
		LastUsedAt: u.Last, RenewedBy: cert.RenewedBy,
	}
	if cert.Status == issuance.Held {
		out.Since, out.By, out.Comment = cert.ChangedAt, cert.ChangedBy.Name, cert.Comment
	}
	return out, nil
}

// refused lists the certificates that were expired, held or revoked and whose
// use was refused, the last refused first. The counts are since their issue:
// when which of them was is not kept.
func (c *clerk) refused() error {
	certificates := make(map[issuance.Serial]issuance.Certificate)
	f, err := find(func(p issuance.Page) ([]issuance.Usage, string, error) {
		return c.Usages(issuance.UsageQuery{RefusedFrom: c.out.From, Page: p})
	}, func(u issuance.Usage) (bool, error) {
		cert, err := c.Certificate(u.Serial)
		if errors.Is(err, issuance.ErrNotFound) {
			return false, nil
		}
		certificates[u.Serial] = cert
		return true, err
	})
	if err != nil {
		return err
	}
	c.out.Use.Refused, err = listed(c, f, func(u issuance.Usage) (Refusal, error) {
		cert := certificates[u.Serial]
		return Refusal{
			Serial: u.Serial, Status: cert.Status, Expired: cert.Expired(c.now), Organization: cert.Organization, Service: cert.Service,
			Refused: u.Refused, LastAt: u.RefusedLast, Code: u.RefusedCode,
		}, nil
	})
	return err
}
