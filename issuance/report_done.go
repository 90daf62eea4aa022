package issuance

import (
	"cmp"
	"errors"
	"slices"
)

// done tells what happened, from the audit records.
func (c *clerk) done() error {
	tallies, err := c.Tally(c.out.From, c.out.To)
	if err != nil {
		return err
	}
	counts := make(map[Verb]int)
	byOrg := make(map[OrgID]*ReportOrganization)
	for _, t := range tallies {
		counts[t.Verb] += t.Count
		c.out.Done.Counts.add(t.Verb, t.Count)
		if byOrg[t.Organization] == nil {
			byOrg[t.Organization] = &ReportOrganization{Organization: t.Organization}
		}
		byOrg[t.Organization].Counts.add(t.Verb, t.Count)
	}
	if err := c.reasons(); err != nil {
		return err
	}
	d := &c.out.Done
	d.Orders, d.Issued, d.Changed = none[ReportEvent](), none[ReportEvent](), none[ReportEvent]()
	c.out.Organizations = none[ReportOrganization]()
	if c.out.Kind == MonthlyReport {
		return c.organizations(byOrg)
	}
	if d.Orders, err = c.events(counts, RequestVerb, ReenrollVerb, ApproveVerb, RejectVerb, CancelVerb, LapseVerb, CompleteVerb); err != nil {
		return err
	}
	if d.Issued, err = c.events(counts, IssueVerb); err != nil {
		return err
	}
	d.Changed, err = c.events(counts, HoldVerb, ReleaseVerb, RevokeVerb)
	return err
}

func none[V any]() Listed[V] { return Listed[V]{Items: []V{}} }

// between lists the records of verb in the report's time.
func (c *clerk) between(verb Verb, p Page) ([]AuditRecord, string, error) {
	return c.Audit(AuditQuery{Verb: verb, From: c.out.From, Before: c.out.To, Page: p})
}

// reasons counts revocations, as many as a report looks at.
func (c *clerk) reasons() error {
	f, err := find(func(p Page) ([]AuditRecord, string, error) { return c.between(RevokeVerb, p) }, nil)
	if err != nil {
		return err
	}
	count := make(map[Reason]int)
	for _, r := range f.records {
		count[reasonOf(r)]++
	}
	c.out.Done.Reasons = []ReportReason{}
	for _, reason := range Reasons() {
		if count[reason] > 0 {
			c.out.Done.Reasons = append(c.out.Done.Reasons, ReportReason{reason, count[reason]})
		}
	}
	return nil
}

// reasonOf returns why r revoked or held a certificate.
func reasonOf(r AuditRecord) Reason {
	reason := Reason(r.Detail["reason"])
	if reason == "" && r.Verb == RevokeVerb {
		return Unspecified
	}
	return reason
}

// events lists what was done by any of verbs; counts are how often each was.
func (c *clerk) events(counts map[Verb]int, verbs ...Verb) (Listed[ReportEvent], error) {
	var all []AuditRecord
	total := 0
	for _, verb := range verbs {
		if counts[verb] == 0 {
			continue
		}
		total += counts[verb]
		first, _, err := c.between(verb, Page{Limit: c.limit})
		if err != nil {
			return Listed[ReportEvent]{}, err
		}
		all = append(all, first...)
	}
	slices.SortFunc(all, func(a, b AuditRecord) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)) })
	l, err := listed(c, found[AuditRecord]{records: all}, c.event)
	l.More = total - len(l.Items)
	return l, err
}

func (c *clerk) event(r AuditRecord) (ReportEvent, error) {
	o, err := c.Order(r.Order)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return ReportEvent{
		At: r.At, Verb: r.Verb, By: r.Actor, Organization: r.Organization, Service: o.Service, Order: r.Order, Serial: r.Serial,
		Reason: reasonOf(r), Comment: r.Detail["comment"],
	}, err
}

// organizations lists those in which something was done that the report counts.
func (c *clerk) organizations(byOrg map[OrgID]*ReportOrganization) (err error) {
	var f found[ReportOrganization]
	for _, o := range byOrg {
		if o.Organization != "" && o.Counts != (ReportCounts{}) {
			f.records = append(f.records, *o)
		}
	}
	slices.SortFunc(f.records, func(a, b ReportOrganization) int { return cmp.Compare(a.Organization, b.Organization) })
	c.out.Organizations, err = listed(c, f, func(o ReportOrganization) (ReportOrganization, error) {
		org, err := c.Organization(o.Organization)
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		o.Name = org.Name
		return o, err
	})
	return err
}
