package issuance

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LostOrder is what happened to an order after a copy of the database was made:
// the copy has none of it.
type LostOrder struct {
	Order        OrderID
	Organization OrgID
	Requested    bool // the copy has no such order at all
	Links        int  // sent, each void in the copy
	Codes        int
	Passwords    int
	Certificates []Serial // issued
	Completed    Serial   // the certificate whose delivery was completed
	Last         Verb     // what was done to it last
	At           time.Time
}

// String says what was lost, in one line.
func (o LostOrder) String() string {
	var what []string
	if o.Requested {
		what = append(what, "requested")
	}
	for _, sent := range []struct {
		n    int
		what string
	}{{o.Links, "link"}, {o.Codes, "code"}, {o.Passwords, "password"}} {
		if sent.n > 0 {
			what = append(what, counted(sent.n, sent.what)+" sent")
		}
	}
	for _, serial := range o.Certificates {
		what = append(what, "certificate "+string(serial)+" issued")
	}
	what = append(what, "last: "+string(o.Last)+" at "+stamp(o.At))
	return string(o.Order) + " (" + string(o.Organization) + "): " + strings.Join(what, ", ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "a " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// lostOrders puts together what happened to each order after the audit record
// with Seq base, the one that was touched last at the end.
func lostOrders(traces []Trace, base uint64) []LostOrder {
	byID := make(map[OrderID]*LostOrder)
	for _, t := range traces {
		if t.Seq <= base || t.Order == "" {
			continue
		}
		o := byID[t.Order]
		if o == nil {
			o = &LostOrder{Order: t.Order}
			byID[t.Order] = o
		}
		o.add(t)
	}
	var all []LostOrder
	for _, o := range byID {
		all = append(all, *o)
	}
	slices.SortFunc(all, func(a, b LostOrder) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Order, b.Order)) })
	return all
}

func (o *LostOrder) add(t Trace) {
	o.Organization, o.Last, o.At = cmp.Or(t.Organization, o.Organization), t.Verb, t.At
	switch t.Verb {
	case RequestVerb:
		o.Requested = true
	case IssueVerb:
		if t.Serial != "" {
			o.Certificates = append(o.Certificates, t.Serial)
		}
	case CompleteVerb:
		o.Completed = t.Serial
	case SendVerb:
		switch t.Notice {
		case InvitationNotice:
			o.Links++
		case CodeNotice:
			o.Codes++
		case PasswordNotice:
			o.Passwords++
		}
	}
}

func compareText[S ~string](a, b S) int { return cmp.Compare(a, b) }

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

func ignoreMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
