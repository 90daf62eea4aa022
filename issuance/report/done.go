package report

import (
	"cmp"
	"errors"
	"slices"

	"github.com/postern-ca/postern/issuance"
)

// done tells what happened, from the audit records.
func (c *clerk) done() error {
	tallies, err := c.Tally(c.out.From, c.out.To)
	if err != nil {
		return err
	}
	counts := make(map[issuance.Verb]int)
	byOrg := make(map[issuance.OrgID]*OrganizationRow)
	for _, t := range tallies {
		counts[t.Verb] += t.Count
		c.out.Done.Counts.add(t.Verb, t.Count)
		if byOrg[t.Organization] == nil {
			byOrg[t.Organization] = &OrganizationRow{Organization: t.Organization}
		}
		byOrg[t.Organization].Counts.add(t.Verb, t.Count)
	}
	if err := c.reasons(); err != nil {
		return err
	}
	d := &c.out.Done
	d.Orders, d.Issued, d.Changed = none[Event](), none[Event](), none[Event]()
	c.out.Organizations = none[OrganizationRow]()
	if c.out.Kind == Monthly {
		return c.organizations(byOrg)
	}
	if d.Orders, err = c.events(counts, issuance.RequestVerb, issuance.ReenrollVerb, issuance.ApproveVerb,
		issuance.RejectVerb, issuance.CancelVerb, issuance.LapseVerb, issuance.CompleteVerb); err != nil {
		return err
	}
	if d.Issued, err = c.events(counts, issuance.IssueVerb); err != nil {
		return err
	}
	d.Changed, err = c.events(counts, issuance.HoldVerb, issuance.ReleaseVerb, issuance.RevokeVerb)
	return err
}

func none[V any]() Listed[V] { return Listed[V]{Items: []V{}} }

// between lists the records of verb in the report's time.
func (c *clerk) between(verb issuance.Verb, p issuance.Page) ([]issuance.AuditRecord, string, error) {
	return c.Audit(issuance.AuditQuery{Verb: verb, From: c.out.From, Before: c.out.To, Page: p})
}

// reasons counts revocations, as many as a report looks at.
func (c *clerk) reasons() error {
	f, err := find(func(p issuance.Page) ([]issuance.AuditRecord, string, error) {
		return c.between(issuance.RevokeVerb, p)
	}, nil)
	if err != nil {
		return err
	}
	count := make(map[issuance.Reason]int)
	for _, r := range f.records {
		count[reasonOf(r)]++
	}
	c.out.Done.Reasons = []ReasonCount{}
	for _, reason := range issuance.Reasons() {
		if count[reason] > 0 {
			c.out.Done.Reasons = append(c.out.Done.Reasons, ReasonCount{reason, count[reason]})
		}
	}
	return nil
}

// reasonOf returns why r revoked or held a certificate.
func reasonOf(r issuance.AuditRecord) issuance.Reason {
	reason := issuance.Reason(r.Detail["reason"])
	if reason == "" && r.Verb == issuance.RevokeVerb {
		return issuance.Unspecified
	}
	return reason
}

// events lists what was done by any of verbs; counts are how often each was.
func (c *clerk) events(counts map[issuance.Verb]int, verbs ...issuance.Verb) (Listed[Event], error) {
	var all []issuance.AuditRecord
	total := 0
	for _, verb := range verbs {
		if counts[verb] == 0 {
			continue
		}
		total += counts[verb]
		first, _, err := c.between(verb, issuance.Page{Limit: c.limit})
		if err != nil {
			return Listed[Event]{}, err
		}
		all = append(all, first...)
	}
	slices.SortFunc(all, func(a, b issuance.AuditRecord) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)) })
	l, err := listed(c, found[issuance.AuditRecord]{records: all}, c.event)
	l.More = total - len(l.Items)
	return l, err
}

func (c *clerk) event(r issuance.AuditRecord) (Event, error) {
	o, err := c.Order(r.Order)
	if errors.Is(err, issuance.ErrNotFound) {
		err = nil
	}
	return Event{
		At: r.At, Verb: r.Verb, By: r.Actor, Organization: r.Organization, Service: o.Service, Order: r.Order, Serial: r.Serial,
		Reason: reasonOf(r), Comment: r.Detail["comment"],
	}, err
}

// organizations lists those in which something was done that the report counts.
func (c *clerk) organizations(byOrg map[issuance.OrgID]*OrganizationRow) (err error) {
	var f found[OrganizationRow]
	for _, o := range byOrg {
		if o.Organization != "" && o.Counts != (Counts{}) {
			f.records = append(f.records, *o)
		}
	}
	slices.SortFunc(f.records, func(a, b OrganizationRow) int { return cmp.Compare(a.Organization, b.Organization) })
	c.out.Organizations, err = listed(c, f, func(o OrganizationRow) (OrganizationRow, error) {
		org, err := c.Organization(o.Organization)
		if errors.Is(err, issuance.ErrNotFound) {
			err = nil
		}
		o.Name = org.Name
		return o, err
	})
	return err
}
