package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Query asks for a report.
type Query struct {
	Kind   Kind
	Period string // a day like 2026-11-25 or a month like 2026-11; empty: the last complete one
	Limit  int    // of rows in a list; 0 means 50, at most MaxPage
}

// The bounds of a report. Whatever a house has, a list looks at no more than
// reportReads records.
const (
	reportReads  = 1000
	failedWithin = 30 * 24 * time.Hour
)

// endingWithin are the days of which a report counts the certificates that end.
func endingWithin() []int { return []int{7, 30, 60} }

const oneDay = 24 * time.Hour

// Report returns the report of a day or month that has begun; it may not be over
// yet. The open tasks are always the current ones, whatever the period.
func (o *Office) Report(ctx context.Context, q Query) (Report, error) {
	now, zone := o.now(), o.Schedule.zone()
	p := periodOf(q.Kind, now.In(zone)).move(-1)
	if q.Period != "" {
		var err error
		if p, err = parsePeriod(q.Kind, q.Period); err != nil {
			return Report{}, err
		}
		if p.begin(zone).After(now) {
			field := map[Kind]string{Daily: "date", Monthly: "month"}[q.Kind]
			return Report{}, issuance.Invalidf(field, p.String()+" has not begun",
				"choose one that has; by default it is the last complete one")
		}
	}
	return o.report(ctx, span{last: p, first: p, from: p.begin(zone), to: p.move(1).begin(zone)}, q)
}

// span is the time that a report tells of.
type span struct {
	first, last period
	from, to    time.Time
}

// report writes the report of s, all of it from one snapshot of the store.
func (o *Office) report(ctx context.Context, s span, q Query) (out Report, err error) {
	now, states := o.now(), o.channels()
	err = o.Store.View(ctx, func(tx Reader) error {
		c := clerk{
			Reader: tx, now: now, policy: o.Policy, states: states, sure: o.Desk.Clock.Sure(),
			limit: issuance.Page{Limit: q.Limit}.Size(), contacts: make(map[issuance.ContactID]string),
		}
		c.out = Report{
			Kind: q.Kind, Period: s.last.String(), First: s.first.String(), TimeZone: o.Schedule.zone().String(),
			From: s.from.UTC(), To: s.to.UTC(), At: now,
		}
		for _, part := range []func() error{
			c.clock, c.proposals, c.channels, c.orders, c.messages, c.ending, c.superseded, c.held, c.done,
			c.refused, c.unused,
		} {
			if err := part(); err != nil {
				return err
			}
		}
		var err error
		c.out.Totals, err = tx.Totals(now)
		out = c.out
		return err
	})
	if err != nil {
		return Report{}, fmt.Errorf("writing the %s report: %w", q.Kind, err)
	}
	return out, nil
}

// clerk writes one report.
type clerk struct {
	Reader
	now      time.Time
	policy   issuance.Policy
	states   []issuance.ChannelState
	sure     error // nil: the clock is not in doubt
	limit    int
	out      Report
	contacts map[issuance.ContactID]string
}

// found is what was read of a listing.
type found[R any] struct {
	records []R
	more    bool // that were not looked at
}

// find reads a listing to its end, or to reportReads records, and returns those
// that keep wants; nil wants all.
func find[R any](list func(issuance.Page) ([]R, string, error), keep func(R) (bool, error)) (f found[R], err error) {
	page := issuance.Page{Limit: issuance.MaxPage}
	for read := 0; ; {
		part, next, err := list(page)
		if err != nil {
			return f, err
		}
		for _, r := range part {
			ok := true
			if keep != nil {
				if ok, err = keep(r); err != nil {
					return f, err
				}
			}
			if ok {
				f.records = append(f.records, r)
			}
		}
		read += len(part)
		if f.more = next != ""; !f.more || read >= reportReads {
			return f, nil
		}
		page.After = next
	}
}

// listed returns the first of what was found, as view shows them.
func listed[R, V any](c *clerk, f found[R], view func(R) (V, error)) (l Listed[V], err error) {
	l = Listed[V]{Items: []V{}, AtLeast: f.more}
	for _, r := range f.records[:min(len(f.records), c.limit)] {
		v, err := view(r)
		if err != nil {
			return l, err
		}
		l.Items = append(l.Items, v)
	}
	l.More = len(f.records) - len(l.Items)
	return l, nil
}

// name returns the name of a contact, its id if it is not in the register.
func (c *clerk) name(id issuance.ContactID) (string, error) {
	if name, known := c.contacts[id]; known {
		return name, nil
	}
	contact, err := c.Contact(id)
	if errors.Is(err, issuance.ErrNotFound) {
		contact.Name, err = string(id), nil
	}
	c.contacts[id] = contact.Name
	return contact.Name, err
}

// orders lists those that wait for approval or are locked.
func (c *clerk) orders() error {
	for _, l := range []struct {
		state issuance.OrderState
		since func(issuance.Order) time.Time
		keep  func(issuance.Order) (bool, error) // nil: all
		to    *Listed[OrderRow]
	}{
		{issuance.RequestedState, requestedAt, nil, &c.out.ToDo.Waiting},
		{issuance.LockedState, updatedAt, nil, &c.out.ToDo.Locked},
		{issuance.InvitedState, c.invitedAt, c.stuck, &c.out.ToDo.Stuck},
		{issuance.InvitedState, c.invitedAt, c.unclaimed, &c.out.ToDo.Unclaimed},
		{issuance.LapsedState, updatedAt, c.lapsed, &c.out.ToDo.Lapsed},
	} {
		f, err := find(func(p issuance.Page) ([]issuance.Order, string, error) {
			return c.Orders(issuance.OrderQuery{State: l.state, Page: p})
		}, l.keep)
		if err != nil {
			return err
		}
		slices.SortStableFunc(f.records, func(a, b issuance.Order) int { return l.since(a).Compare(l.since(b)) })
		if *l.to, err = listed(c, f, func(o issuance.Order) (OrderRow, error) {
			name, err := c.name(o.Contact)
			return OrderRow{
				Order: o.ID, Organization: o.Organization, Service: o.Service, Contact: o.Contact, ContactName: name,
				Renews: o.Renews, Since: l.since(o),
			}, err
		}); err != nil {
			return err
		}
	}
	return nil
}

// missed reports whether anybody still waits for what n would bring: its order
// may have gone on, or have ended, without it.
func (c *clerk) missed(n issuance.Notice) (bool, error) {
	if n.Kind != issuance.InvitationNotice && n.Kind != issuance.CodeNotice && n.Kind != issuance.PasswordNotice {
		return true, nil
	}
	o, err := c.Order(n.Order)
	if errors.Is(err, issuance.ErrNotFound) {
		return true, nil
	}
	if n.Kind == issuance.PasswordNotice {
		return o.State == issuance.DownloadedState, err
	}
	return o.State == issuance.InvitedState || o.State == issuance.VerifiedState || o.State == issuance.LockedState, err
}

// messages lists those that were given up.
func (c *clerk) messages() error {
	since := c.now.Add(-failedWithin)
	f, err := find(func(p issuance.Page) ([]issuance.Notice, string, error) {
		return c.Notices(issuance.NoticeQuery{State: issuance.Failed, Page: p})
	},
		func(n issuance.Notice) (bool, error) {
			if n.SettledAt.Before(since) {
				return false, nil
			}
			return c.missed(n)
		})
	if err != nil {
		return err
	}
	c.out.ToDo.Failed, err = listed(c, f, func(n issuance.Notice) (MessageRow, error) {
		return MessageRow{Message: n.ID, Kind: n.Kind, Channel: n.Channel, Order: n.Order, At: n.SettledAt, Error: n.LastError}, nil
	})
	return err
}
