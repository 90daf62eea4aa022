package storagetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// many puts n orders, every third one invited, and returns their ids newest first.
// Several have the same time.
func many(t testing.TB, s Store, n int) (all, invited []string) {
	t.Helper()
	var orders []issuance.Order
	for i := range n {
		o := order(i, func(o *issuance.Order) {
			o.RequestedAt = after(time.Duration(i/4) * time.Minute)
			if i%3 == 0 {
				o.State = issuance.InvitedState
			}
		})
		orders = append(orders, o)
		all = append(all, string(o.ID))
		if o.State == issuance.InvitedState {
			invited = append(invited, string(o.ID))
		}
	}
	putOrders(t, s, orders...)
	slices.Reverse(all)
	slices.Reverse(invited)
	return all, invited
}

func testPages(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	all, invited := many(t, s, 3000)
	list := func(q issuance.OrderQuery) lister[issuance.Order] {
		return func(tx Reader, p issuance.Page) ([]issuance.Order, string, error) {
			q.Page = p
			return tx.Orders(q)
		}
	}
	for _, limit := range []int{0, 7, 500, 100_000, -1} {
		same(t, "all", all, ids(collect(t, s, limit, list(issuance.OrderQuery{})), orderID))
		same(t, "invited", invited, ids(collect(t, s, limit, list(issuance.OrderQuery{State: issuance.InvitedState})), orderID))
		same(t, "invited of acme", invited, ids(collect(t, s, limit, list(issuance.OrderQuery{
			State: issuance.InvitedState, Organization: "acme",
		})), orderID))
	}
	view(t, s, func(tx Reader) error {
		part, next, err := tx.Orders(issuance.OrderQuery{Page: issuance.Page{Limit: 100_000}})
		if len(part) != issuance.MaxPage || next == "" {
			t.Errorf("a part has %d records, want %d and a cursor", len(part), issuance.MaxPage)
		}
		exact, next, err2 := tx.Orders(issuance.OrderQuery{Page: issuance.Page{Limit: 500, After: next}})
		if len(exact) != 500 || next == "" {
			t.Errorf("the next part has %d records, want 500 and a cursor", len(exact))
		}
		return errors.Join(err, err2)
	})
}

// testPagesWhileThingsChange turns pages while others put records before, at and
// behind the cursor: whatever matches all the time is seen once, in order.
func testPagesWhileThingsChange(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	_, invited := many(t, s, 600)
	want := slices.Clone(invited)
	var got []string
	page := issuance.Page{Limit: 10}
	for turn := 0; ; turn++ {
		var part []issuance.Order
		view(t, s, func(tx Reader) (err error) {
			part, page.After, err = tx.Orders(issuance.OrderQuery{State: issuance.InvitedState, Page: page})
			return err
		})
		got = append(got, ids(part, orderID)...)
		if page.After == "" {
			break
		}
		last := part[len(part)-1] // the cursor's own record leaves the listing
		last.State = issuance.LapsedState
		newer := order(10_000+turn, func(o *issuance.Order) { o.State = issuance.InvitedState })
		putOrders(t, s, last, newer)
		if at := slices.Index(want, string(last.ID)) + 5; at < len(want) { // and one that was still to come
			gone := read(t, s, func(tx Reader) (issuance.Order, error) { return tx.Order(issuance.OrderID(want[at])) })
			gone.State = issuance.LapsedState
			putOrders(t, s, gone)
			want = slices.Delete(want, at, at+1)
		}
	}
	same(t, "seen", want, got)
}

func testCursors(t *testing.T, fresh Fresh) {
	s := fresh(t)()
	many(t, s, 10)
	putCertificates(t, s, someCertificates()...)
	var orders, expiring string
	view(t, s, func(tx Reader) (err error) {
		if _, orders, err = tx.Orders(issuance.OrderQuery{Page: issuance.Page{Limit: 2}}); err != nil {
			return err
		}
		_, expiring, err = tx.Certificates(issuance.CertificateQuery{
			ExpiresBefore: after(2000 * time.Hour), Page: issuance.Page{Limit: 2},
		})
		return err
	})
	flipped := []byte(orders)
	flipped[3] ^= 1
	for what, cursor := range map[string]string{
		"no cursor at all": "x", "not the alphabet": "%%%", "a long one": strings.Repeat("A", 100_000),
		"half of one":   orders[:len(orders)/2],
		"a changed one": string(flipped), "control characters": "\x00\r\n", "one with more behind it": orders + "AAAA",
		"another listing's": expiring,
	} {
		err := s.View(t.Context(), func(tx Reader) error {
			_, _, err := tx.Orders(issuance.OrderQuery{Page: issuance.Page{After: cursor}})
			return err
		})
		e, ok := errors.AsType[*issuance.Error](err)
		if !ok || e.Kind != issuance.Invalid || e.Field != "cursor" {
			t.Errorf("%s: got %v, want an Invalid error on cursor", what, err)
		}
	}
	err := s.View(t.Context(), func(tx Reader) error {
		_, _, err := tx.Certificates(issuance.CertificateQuery{Page: issuance.Page{After: expiring}})
		return err
	})
	if issuance.KindOf(err) != issuance.Invalid {
		t.Errorf("a cursor of another order: got %v, want an Invalid error", err)
	}
}
