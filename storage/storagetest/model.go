package storagetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-ca/postern/issuance"
)

// testModel does what comes to mind to a store and to a model that scans maps,
// and asks both the same questions.
func testModel(t *testing.T, fresh Fresh) {
	open := fresh(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++ // the store is the same all the time; each round has its own records
		w := &world{
			s: open(), round: fmt.Sprintf("r%d-", round), orders: map[issuance.OrderID]issuance.Order{},
			certificates: map[issuance.Serial]issuance.Certificate{}, notices: map[issuance.NoticeID]issuance.Notice{},
			usages: map[issuance.Serial]issuance.Usage{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"write": w.write, "orders": w.askOrders, "certificates": w.askCertificates, "notices": w.askNotices,
			"usages": w.askUsages, "needs": w.askNeeds,
		})
	})
}

type world struct {
	s            Store
	round        string
	orders       map[issuance.OrderID]issuance.Order
	certificates map[issuance.Serial]issuance.Certificate
	notices      map[issuance.NoticeID]issuance.Notice
	usages       map[issuance.Serial]issuance.Usage
}

// pick draws one of few values, so that records meet.
func pick[S ~string](rt *rapid.T, what string, values ...S) S {
	return rapid.SampledFrom(values).Draw(rt, what)
}

func instant(rt *rapid.T, what string) time.Time {
	return after(time.Duration(rapid.IntRange(0, 5).Draw(rt, what)))
}

func (w *world) org(rt *rapid.T) issuance.OrgID {
	return issuance.OrgID(w.round + pick(rt, "organization", "a", "ab", "b"))
}

func (w *world) order(rt *rapid.T) issuance.Order {
	o := issuance.Order{
		ID:    issuance.OrderID(w.round + fmt.Sprint("o", rapid.IntRange(0, 20).Draw(rt, "order"))),
		State: pick(rt, "state", issuance.RequestedState, issuance.InvitedState), Organization: w.org(rt),
		Service: pick[issuance.ServiceID](rt, "service", "x", "y"), Contact: pick[issuance.ContactID](rt, "contact", "c", "d"),
		RequestedAt: instant(rt, "requested"), Renews: pick[issuance.Serial](rt, "renews", "", "s1", "s2"),
	}
	if rapid.Bool().Draw(rt, "due") {
		o.DueAt = instant(rt, "due at")
	}
	return o
}

func (w *world) serial(rt *rapid.T) issuance.Serial {
	return issuance.Serial(w.round + fmt.Sprint("s", rapid.IntRange(0, 20).Draw(rt, "serial")))
}

func (w *world) certificate(rt *rapid.T) issuance.Certificate {
	return issuance.Certificate{
		Serial:       w.serial(rt),
		Status:       pick(rt, "status", issuance.Abandoned, issuance.Active, issuance.Revoked),
		Organization: w.org(rt), Service: pick[issuance.ServiceID](rt, "service", "x", "y"),
		Contact: pick[issuance.ContactID](rt, "contact", "c", "d"), IssuedAt: instant(rt, "issued"), NotAfter: instant(rt, "not after"),
		Used: rapid.Bool().Draw(rt, "used"), Succession: pick(rt, "succession", "", issuance.SuccessorIssued, issuance.SuccessorUsed),
	}
}

func (w *world) notice(rt *rapid.T) issuance.Notice {
	return issuance.Notice{
		ID:      issuance.NoticeID(w.round + fmt.Sprint("n", rapid.IntRange(0, 20).Draw(rt, "notice"))),
		State:   pick(rt, "state", issuance.Pending, issuance.Accepted),
		Channel: issuance.Channel(w.round + pick(rt, "channel", "mail", "sms")),
		Order:   issuance.OrderID(w.round + pick(rt, "order", "o1", "o2")), NextAt: instant(rt, "next"),
		CreatedAt: instant(rt, "created"),
	}
}

// write puts several records in one Update, which may fail after some.
func (w *world) write(rt *rapid.T) {
	no := errors.New("no")
	fails := rapid.IntRange(0, 5).Draw(rt, "fails") == 0
	orders := rapid.SliceOfN(rapid.Custom(w.order), 0, 6).Draw(rt, "orders")
	certificates := rapid.SliceOfN(rapid.Custom(w.certificate), 0, 6).Draw(rt, "certificates")
	notices := rapid.SliceOfN(rapid.Custom(w.notice), 0, 6).Draw(rt, "notices")
	usages := rapid.SliceOfN(rapid.Custom(w.usage), 0, 6).Draw(rt, "usages")
	err := w.s.Update(rt.Context(), func(tx Tx) error {
		var errs []error
		for _, o := range orders {
			errs = append(errs, tx.PutOrder(o))
		}
		for _, c := range certificates {
			errs = append(errs, tx.PutCertificate(c))
		}
		for _, n := range notices {
			errs = append(errs, tx.PutNotice(n))
		}
		for _, u := range usages {
			errs = append(errs, tx.PutUsage(u))
		}
		if fails {
			errs = append(errs, no)
		}
		return errors.Join(errs...)
	})
	if fails {
		if !errors.Is(err, no) {
			rt.Fatalf("Update: got %v, want %v", err, no)
		}
		return
	}
	if err != nil {
		rt.Fatal(err)
	}
	for _, o := range orders {
		w.orders[o.ID] = o
	}
	for _, c := range certificates {
		w.certificates[c.Serial] = c
	}
	for _, n := range notices {
		w.notices[n.ID] = n
	}
	for _, u := range usages {
		w.usages[u.Serial] = u
	}
}

// matches reports whether a query's field is not set, or is value.
func matches[S ~string](field, value S) bool { return field == "" || field == value }

// scan returns the model's answer.
func scan[K comparable, R any](records map[K]R, fits func(R) bool, compare func(a, b R) int) []R {
	var out []R
	for _, r := range records {
		if fits(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, compare)
	return out
}

func (w *world) askOrders(rt *rapid.T) {
	q := issuance.OrderQuery{
		State: pick(rt, "state", "", issuance.RequestedState, issuance.InvitedState), Organization: w.org(rt),
		Service: pick[issuance.ServiceID](rt, "service", "", "x", "y"), Contact: pick[issuance.ContactID](rt, "contact", "", "c", "d"),
		Renews: pick[issuance.Serial](rt, "renews", "", "s1", "s2"),
	}
	want := scan(w.orders, func(o issuance.Order) bool {
		return matches(q.State, o.State) && matches(q.Organization, o.Organization) &&
			matches(q.Service, o.Service) && matches(q.Contact, o.Contact) && matches(q.Renews, o.Renews)
	}, func(a, b issuance.Order) int {
		return cmp.Or(b.RequestedAt.Compare(a.RequestedAt), cmp.Compare(b.ID, a.ID))
	})
	compareLists(rt, w.s, "orders", want, func(tx Reader, p issuance.Page) ([]issuance.Order, string, error) {
		q.Page = p
		return tx.Orders(q)
	})
}

func (w *world) askCertificates(rt *rapid.T) {
	q := issuance.CertificateQuery{
		Status: pick(rt, "status", "", issuance.Abandoned, issuance.Active, issuance.Revoked), Organization: w.org(rt),
		Service: pick[issuance.ServiceID](rt, "service", "", "x", "y"), Contact: pick[issuance.ContactID](rt, "contact", "", "c", "d"),
	}
	if rapid.Bool().Draw(rt, "issued from") {
		q.IssuedFrom = instant(rt, "issued from")
	}
	if rapid.Bool().Draw(rt, "issued before") {
		q.IssuedBefore = instant(rt, "issued before")
	}
	order := func(a, b issuance.Certificate) int {
		return cmp.Or(b.IssuedAt.Compare(a.IssuedAt), cmp.Compare(b.Serial, a.Serial))
	}
	if rapid.Bool().Draw(rt, "expiring") {
		q.ExpiresBefore = instant(rt, "expires before")
		order = func(a, b issuance.Certificate) int {
			return cmp.Or(a.NotAfter.Compare(b.NotAfter), a.IssuedAt.Compare(b.IssuedAt), cmp.Compare(a.Serial, b.Serial))
		}
	}
	want := scan(w.certificates, func(c issuance.Certificate) bool {
		if c.Status == issuance.Abandoned && (q.Status == "" || !q.ExpiresBefore.IsZero()) {
			return false
		}
		return matches(q.Status, c.Status) && matches(q.Organization, c.Organization) && matches(q.Service,
			c.Service) && matches(q.Contact, c.Contact) &&
			!c.IssuedAt.Before(q.IssuedFrom) && (q.IssuedBefore.IsZero() || c.IssuedAt.Before(q.IssuedBefore)) &&
			(q.ExpiresBefore.IsZero() || c.NotAfter.Before(q.ExpiresBefore))
	}, order)
	compareLists(rt, w.s, "certificates", want, func(tx Reader, p issuance.Page) ([]issuance.Certificate, string, error) {
		q.Page = p
		return tx.Certificates(q)
	})
}

func (w *world) askNotices(rt *rapid.T) {
	q := issuance.NoticeQuery{
		State: pick(rt, "state", "", issuance.Pending),
		Order: issuance.OrderID(w.round + pick(rt, "order", "o1", "o2")),
	}
	want := scan(w.notices, func(n issuance.Notice) bool { return matches(q.State, n.State) && q.Order == n.Order },
		func(a, b issuance.Notice) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
		})
	compareLists(rt, w.s, "notices", want, func(tx Reader, p issuance.Page) ([]issuance.Notice, string, error) {
		q.Page = p
		return tx.Notices(q)
	})
	channel, now := issuance.Channel(w.round+"sms"), instant(rt, "now")
	due := scan(w.notices, func(n issuance.Notice) bool {
		return n.State == issuance.Pending && n.Channel == channel && !n.NextAt.After(now)
	}, func(a, b issuance.Notice) int { return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.ID, b.ID)) })
	got := read(rt, w.s, func(tx Reader) ([]issuance.Notice, error) { return tx.DueNotices(channel, now, 1000) })
	same(rt, "due notices", due, got)
}

func compareLists[R any](rt *rapid.T, s Store, what string, want []R, list lister[R]) {
	limit := rapid.IntRange(1, 8).Draw(rt, "limit")
	same(rt, what, want, collect(rt, s, limit, list))
}
