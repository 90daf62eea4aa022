package main_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKilledAtEveryFdatasync lets many people order, approve and claim at the
// same time, and kills the server at one call of fdatasync after the other. In
// the end every order is completed, each has one certificate that stands and
// that has its record, and whatever was sent twice was the same.
//
// POSTERN_CRASH_ORDERS says how many orders: 60, unless it is set, as `make crash`
// does.
func TestKilledAtEveryFdatasync(t *testing.T) {
	t.Parallel() // it waits for most of its time
	orders := 60
	if text := os.Getenv("POSTERN_CRASH_ORDERS"); text != "" {
		var err error
		if orders, err = strconv.Atoi(text); err != nil || orders < 1 {
			t.Fatalf("POSTERN_CRASH_ORDERS is %q, and not a number of orders", text)
		}
	}
	begun := time.Now()
	m := newMortal(t)
	town := &town{mortal: m, places: make(chan struct{}, 6), cut: map[string]int{}, helped: map[string]int{}}
	t.Cleanup(m.stop)
	t.Cleanup(m.showLog)

	// 1. What is there before: the CA, a token, an organisation with a service.
	m.start()
	m.readToken()
	m.lighten()
	clerk := newPerson(town, 0, false)
	clerk.setUp(t)

	// 2. One order after the other: the first is killed at the first fdatasync of
	// its life, the second at the second, until one lives that long.
	// The lease of a message is 2.5 minutes, the claim window one: a life that
	// meets both more than once still ends in this time, on a busy machine too.
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute+time.Duration(orders)*time.Second)
	defer cancel()
	people := town.oneByOne(ctx, min(orders, 40))
	t.Logf("one by one: %d orders, %d kills, %v", len(people), m.kills(), time.Since(begun).Round(time.Second))

	// 3. The other orders, many at the same time.
	people = town.together(ctx, people, orders)
	t.Logf("together: %d orders, %d kills, %v", len(people), m.kills(), time.Since(begun).Round(time.Second))

	// 4. What is there after.
	inspect(t, clerk, people)
	m.stop()
	m.checkFile()
	town.tell(orders)
}

// setUp registers what the orders are for.
func (p *person) setUp(t *testing.T) {
	t.Helper()
	for _, made := range []struct{ path, body string }{
		{"/organizations", `{"id":"acme","name":"Acme AG"}`},
		{"/services", `{"organization":"acme","name":"payments"}`},
	} {
		var id string
		if err := p.create(t.Context(), made.path, made.path, made.body, &id); err != nil {
			t.Fatal(err)
		}
	}
}

// oneByOne has up to orders orders live alone, each killed once.
func (w *town) oneByOne(ctx context.Context, orders int) (all []*person) {
	w.t.Helper()
	for at := 1; at <= orders; at++ {
		p := newPerson(w, at, false)
		p.slow = true
		all = append(all, p)
		w.killer.arm(death{unix.SYS_FDATASYNC, at})
		if err := p.live(ctx, func() {}); err != nil {
			w.t.Fatal(err)
		}
		if w.killer.arm(death{}) != (death{}) { // it lived
			w.lifetime = at - 1
			break
		}
	}
	return all
}

// together has people live until there are orders of them, and returns when all
// orders are completed. Once all have begun and nobody acts, because all who are
// left wait for time to pass, the kills end: what happens then happens by itself.
func (w *town) together(ctx context.Context, all []*person, orders int) []*person {
	w.t.Helper()
	start := time.Now()
	w.wartime()
	var living, begun sync.WaitGroup
	for i := len(all); i < orders; i++ {
		p := newPerson(w, i+1, i%3 == 0)
		p.patient = i%4 == 3 && i < orders/2
		p.slow = p.patient || i%4 == 1
		all = append(all, p)
		begun.Add(1)
		living.Go(func() {
			if err := p.live(ctx, begun.Done); err != nil {
				w.t.Error(err)
			}
		})
	}
	begun.Wait()
	for len(w.places) > 0 {
		time.Sleep(glance)
	}
	w.peace()
	w.t.Logf("nobody acts any more after %v", time.Since(start).Round(time.Second))
	living.Wait()
	return all
}

// showLog prints the end of what the server logged, if the test failed.
func (m *mortal) showLog() {
	if !m.t.Failed() {
		return
	}
	log, _ := os.ReadFile(m.log.Name())
	lines := strings.Split(string(log), "\n")
	m.t.Logf("the end of the server's log:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
}

// tell reports what the test has seen, and fails it if that was too little.
func (w *town) tell(orders int) {
	w.t.Helper()
	positions, scrubs := 0, 0
	for d, n := range w.deaths {
		if d.call == unix.SYS_FSYNC {
			scrubs += n
		} else {
			positions++
		}
	}
	twice := w.sentTwice()
	w.t.Logf("%d kills and restarts: one at each of the %d fdatasyncs in the life of an order, the others among many orders; at %d distinct fdatasyncs after a start, %d in a scrub",
		w.kills(), w.lifetime, positions, scrubs)
	w.t.Logf("calls that were cut: %s", counted(w.cut))
	w.t.Logf("done because of a kill: %s", counted(w.helped))
	w.t.Logf("messages that were sent twice: %s", counted(twice))
	if orders < 60 {
		return // too few to expect much of
	}
	for _, what := range []string{"register", "request", "approve", "enter the code", "download", "claim in one request"} {
		if w.cut[what] == 0 {
			w.t.Errorf("the test is blind: no kill came while people did: %s", what)
		}
	}
	if w.lifetime < 20 || positions < warSteps || scrubs == 0 || len(twice) == 0 {
		w.t.Error("the test is blind: too few kinds of kills, or no message was sent twice")
	}
}

// counted lists counts, the highest first.
func counted(counts map[string]int) string {
	var out []string
	for _, what := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	}) {
		out = append(out, fmt.Sprintf("%s %d", what, counts[what]))
	}
	return strings.Join(out, ", ")
}
