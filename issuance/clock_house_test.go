package issuance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// machine is a machine whose clocks a test turns.
type machine struct {
	wall   time.Time
	steady time.Duration
	run    string
}

func newMachine() *machine {
	return &machine{wall: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), run: "boot-1"}
}

func (m *machine) read() issuance.Reading {
	return issuance.Reading{Wall: m.wall, Steady: m.steady, Run: m.run}
}

// pass lets time pass; jump sets the wall clock alone.
func (m *machine) pass(d time.Duration) { m.wall, m.steady = m.wall.Add(d), m.steady+d }

func (m *machine) jump(d time.Duration) { m.wall = m.wall.Add(d) }

// boot starts the machine anew after so long.
func (m *machine) boot(off time.Duration) {
	m.wall, m.steady, m.run = m.wall.Add(off), 20*time.Second, m.run+"+"
}

// clockHouse is a house that goes by the clock of a machine, and how often to start it.
type clockHouse struct {
	*house
	m     *machine
	clock *issuance.Clock
}

func newClockHouse(t *testing.T, change ...func(*issuance.Config)) *clockHouse {
	t.Helper()
	h := &clockHouse{m: newMachine()}
	h.house = newHouse(t, append(change, func(c *issuance.Config) {
		h.clock = h.newClock()
		h.clock.Begin(issuance.ClockMark{})
		c.Desk.Clock, c.Desk.Now = h.clock, h.clock.Now
	})...)
	h.look()
	return h
}

func (h *clockHouse) newClock() *issuance.Clock {
	return &issuance.Clock{Read: h.m.read, Off: day, Reach: 12 * time.Hour}
}

// restart starts the process anew.
func (h *clockHouse) restart() {
	h.t.Helper()
	h.clock = h.newClock()
	if err := issuance.BeginClock(h.t.Context(), h.store, h.clock); err != nil {
		h.t.Fatal(err)
	}
	h.cfg.Desk.Clock, h.cfg.Desk.Now = h.clock, h.clock.Now
	var err error
	if h.Registrar, err = issuance.New(h.cfg); err != nil {
		h.t.Fatal(err)
	}
	h.look()
}

// look is what the watcher does each second.
func (h *clockHouse) look() {
	h.t.Helper()
	if err := h.WatchClock(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *clockHouse) sure(want bool) {
	h.t.Helper()
	if err := h.clock.Sure(); (err == nil) != want {
		h.t.Fatalf("at %v the clock is sure: %v, want %v", h.m.wall, err, want)
	}
}

func (h *clockHouse) recorded() (at time.Time) {
	h.t.Helper()
	if err := h.Read(h.t.Context(), func(tx issuance.Reader) (err error) {
		at, err = tx.Clock()
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return at
}

func (h *clockHouse) alerts(about string) (n int) {
	h.t.Helper()
	if err := h.Read(h.t.Context(), func(tx issuance.Reader) error {
		all, _, err := tx.Notices(issuance.NoticeQuery{State: issuance.Pending, Page: issuance.Page{Limit: issuance.MaxPage}})
		for _, notice := range all {
			if notice.Kind == issuance.AlertNotice && strings.Contains(notice.Text, about) {
				n++
			}
		}
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// tick is what all timers do.
func (h *clockHouse) tick() {
	h.t.Helper()
	h.look()
	if err := errors.Join(h.Sweep(h.t.Context()), h.Forget(h.t.Context())); err != nil {
		h.t.Fatal(err)
	}
}

// now is the house's time.
func (h *clockHouse) now() time.Time { return h.clock.Now() }

// issued takes a new order to issued: its file waits to be downloaded.
func (h *clockHouse) issued() issuance.OrderID {
	h.t.Helper()
	id, token, session := h.verified()
	_, err := h.Claim(h.t.Context(), token, session, issuance.ClaimRequest{})
	h.ok(err)
	return id
}

// request places an order that nobody has approved.
func (h *clockHouse) request() issuance.Order {
	h.t.Helper()
	o, err := h.Request(h.t.Context(), h.staff, issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Another: true})
	h.ok(err)
	return o
}

// certificate is that of the order.
func (h *clockHouse) certificate(id issuance.OrderID) issuance.Certificate {
	h.t.Helper()
	return h.certificates(issuance.CertificateQuery{Order: id})[0]
}

func administrator() issuance.Actor {
	return issuance.Actor{Role: issuance.RoleAdministrator, ID: "tok-2", Name: "Anna"}
}
