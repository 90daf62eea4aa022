package storagetest

import (
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// order returns the i-th order, requested i minutes after the start.
func order(i int, change func(*issuance.Order)) issuance.Order {
	o := issuance.Order{
		ID: issuance.OrderID(name("order", i)), State: issuance.RequestedState, Organization: "acme",
		Service: "acme.payments", Contact: "contact1",
		Key: issuance.RSA3072, Target: issuance.JavaTarget, Comment: "line\nbreak", RequestedBy: issuance.System("test"),
		RequestedAt: after(time.Duration(i) * time.Minute), UpdatedAt: after(time.Duration(i) * time.Minute),
	}
	if change != nil {
		change(&o)
	}
	return o
}

func putOrders(t testing.TB, s Store, orders ...issuance.Order) {
	t.Helper()
	update(t, s, func(tx Tx) error {
		for _, o := range orders {
			if err := tx.PutOrder(o); err != nil {
				return err
			}
		}
		return nil
	})
}

func listOrders(t testing.TB, s Store, q issuance.OrderQuery) []string {
	t.Helper()
	return ids(collect(t, s, 2, func(tx Reader, p issuance.Page) ([]issuance.Order, string, error) {
		q.Page = p
		return tx.Orders(q)
	}), func(o issuance.Order) string { return string(o.ID)[5:] })
}

func testOrders(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	full := order(1, func(o *issuance.Order) {
		o.Renews, o.DecidedBy, o.DecidedAt = "aa", issuance.Actor{Role: issuance.RoleOfficer, ID: "t", Name: "Olga"}, after(1)
		o.Link = issuance.Link{Digest: "l1", Number: 3, ExpiresAt: after(2)}
		o.Code = issuance.OneTimeCode{
			Counter: 1<<64 - 1, Live: true, Notice: "n", AcceptedAt: after(3), Attempts: 4,
			MadeAt: []time.Time{after(4), after(5)},
		}
		o.Session, o.Reserved = issuance.Session{Digest: "s", OpenedAt: after(6)}, "bb"
		o.Serial, o.FromCSR, o.IssuedAt, o.DownloadedAt, o.CompletedAt = "cc", true, after(8), after(9), after(10)
		o.Attempts, o.Wiped, o.DueAt = 2, true, after(11)
	})
	putOrders(t, s,
		full,
		order(2, func(o *issuance.Order) { o.State = issuance.InvitedState }),
		order(3, func(o *issuance.Order) { o.State, o.Service = issuance.InvitedState, "acme.other" }),
		order(4, func(o *issuance.Order) { o.Organization, o.Service, o.Contact = "zeta", "zeta.x", "contact2" }),
		order(5, func(o *issuance.Order) {
			o.Organization, o.Service, o.State = "zeta", "zeta.x", issuance.InvitedState
		}),
	)
	same(t, "Order", full, read(t, s, func(tx Reader) (issuance.Order, error) { return tx.Order(full.ID) }))
	for _, test := range []struct {
		name string
		q    issuance.OrderQuery
		want []string
	}{
		{"all", issuance.OrderQuery{}, []string{"00005", "00004", "00003", "00002", "00001"}},
		{"state", issuance.OrderQuery{State: issuance.InvitedState}, []string{"00005", "00003", "00002"}},
		{"organisation", issuance.OrderQuery{Organization: "zeta"}, []string{"00005", "00004"}},
		{"service", issuance.OrderQuery{Service: "acme.payments"}, []string{"00002", "00001"}},
		{"contact", issuance.OrderQuery{Contact: "contact2"}, []string{"00004"}},
		{"state and organisation", issuance.OrderQuery{State: issuance.InvitedState, Organization: "acme"}, []string{"00003", "00002"}},
		{
			"all four",
			issuance.OrderQuery{State: issuance.InvitedState, Organization: "zeta", Service: "zeta.x", Contact: "contact1"},
			[]string{"00005"},
		},
		{
			"four that never meet",
			issuance.OrderQuery{State: issuance.InvitedState, Organization: "zeta", Service: "acme.other", Contact: "contact1"},
			[]string{},
		},
		{"a state that no order has", issuance.OrderQuery{State: issuance.LockedState}, []string{}},
		{"half a name", issuance.OrderQuery{Organization: "zet"}, []string{}},
		{"more than a name", issuance.OrderQuery{Organization: "zetaz"}, []string{}},
	} {
		same(t, test.name, test.want, listOrders(t, s, test.q))
	}

	// What was changed is found in its new place alone.
	putOrders(t, s, order(2, func(o *issuance.Order) { o.State, o.Contact = issuance.LapsedState, "contact2" }))
	same(t, "old state", []string{"00005", "00003"}, listOrders(t, s, issuance.OrderQuery{State: issuance.InvitedState}))
	same(t, "new state", []string{"00002"}, listOrders(t, s, issuance.OrderQuery{State: issuance.LapsedState}))
	same(t, "new contact", []string{"00004", "00002"}, listOrders(t, s, issuance.OrderQuery{Contact: "contact2"}))
	same(t, "all", []string{"00005", "00004", "00003", "00002", "00001"}, listOrders(t, s, issuance.OrderQuery{}))
}

func testOrderByLink(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	linked := func(d issuance.Digest) issuance.Order {
		return order(1, func(o *issuance.Order) { o.Link.Digest = d })
	}
	byLink := func(d issuance.Digest) string {
		var id issuance.OrderID
		view(t, s, func(tx Reader) error {
			o, err := tx.OrderByLink(d)
			if id = o.ID; isNotFound(err) {
				id, err = "not found", nil
			}
			return err
		})
		return string(id)
	}
	putOrders(t, s, linked("first"), order(2, func(o *issuance.Order) { o.Link.Digest = "other" }))
	same(t, "the link", "order00001", byLink("first"))
	putOrders(t, s, linked("second"))
	same(t, "the replaced link", "not found", byLink("first"))
	same(t, "the new link", "order00001", byLink("second"))
	putOrders(t, s, linked(""))
	same(t, "the voided link", "not found", byLink("second"))
	same(t, "another order's link", "order00002", byLink("other"))
}

func testDueOrders(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	due := func(i int, at time.Time) issuance.Order {
		return order(i, func(o *issuance.Order) { o.DueAt = at })
	}
	putOrders(t, s, due(1, after(3)), due(2, after(1)), due(3, after(2)), due(4, time.Time{}), due(5, after(1)),
		due(6, start().Add(-100*365*24*time.Hour)))
	list := func(now time.Time, limit int) []string {
		return ids(read(t, s, func(tx Reader) ([]issuance.Order, error) { return tx.DueOrders(now, limit) }), orderID)
	}
	same(t, "before all but one", []string{"order00006"}, list(start(), 10))
	same(t, "exactly at the time", []string{"order00006", "order00002", "order00005"}, list(after(1), 10))
	same(t, "all", []string{"order00006", "order00002", "order00005", "order00003", "order00001"}, list(after(time.Hour), 10))
	same(t, "limited", []string{"order00006", "order00002"}, list(after(time.Hour), 2))
	same(t, "none asked for", []string{}, list(after(time.Hour), 0))
	putOrders(t, s, due(6, time.Time{}), due(2, after(4)))
	same(t, "after changes", []string{"order00005", "order00003", "order00001", "order00002"}, list(after(time.Hour), 10))
}
