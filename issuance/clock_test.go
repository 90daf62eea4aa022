package issuance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
)

// TestAJumpOfTheClockTakesNothing has the clock jump for a moment, with a restart in
// it or without, while an invitation is open and a certificate waits to be downloaded.
func TestAJumpOfTheClockTakesNothing(t *testing.T) {
	for _, jump := range []time.Duration{2 * time.Minute, 6 * time.Hour, 8 * day, 25 * day, 3 * year, -2 * time.Minute, -6 * time.Hour, -8 * day, -3 * year} {
		for _, restart := range []string{"", "process", "machine"} {
			if restart == "machine" && jump > -time.Hour && jump <= day {
				continue // it was off for so long, for all that anybody knows
			}
			t.Run(fmt.Sprint(jump, " ", restart), func(t *testing.T) {
				h := newClockHouse(t)
				claimed, open := h.issued(), h.invited()
				h.m.pass(time.Minute)
				h.look()
				before := h.recorded()
				h.m.jump(jump)
				switch restart {
				case "process":
					h.restart()
				case "machine":
					h.m.boot(0)
					h.restart()
				}
				for range 3 {
					h.tick()
					h.m.pass(time.Second)
				}
				h.sure(false)
				if got := h.recorded(); got.Sub(before).Abs() > time.Minute {
					t.Errorf("%v is on record, want %v", got, before)
				}
				if _, err := h.Approve(t.Context(), h.staff, h.request().ID, ""); issuance.CodeOf(err) != issuance.CodeClock {
					t.Errorf("an approval: %v, want %s", err, issuance.CodeClock)
				}
				if got := h.alerts("in doubt"); got != 1 {
					t.Errorf("staff were told %d times, want once", got)
				}
				h.m.jump(-jump)
				h.tick()
				h.sure(true)
				if got := h.certificate(claimed).Status; got != issuance.Active {
					t.Errorf("the certificate is %s, want active", got)
				}
				if got := h.order(open).State; got != issuance.InvitedState {
					t.Errorf("the invitation is %s", got)
				}
				if _, err := h.Approve(t.Context(), h.staff, h.request().ID, ""); err != nil {
					t.Errorf("an approval when the clock is right again: %v", err)
				}
				if got := h.now(); got.Sub(h.m.wall).Abs() > time.Minute {
					t.Errorf("it is %v in the house at %v", got, h.m.wall)
				}
			})
		}
	}
}

// TestAPersonAcceptsTheClock after a suspension, and then after the clock had been
// wrong when a person accepted it: there is a way out of both.
func TestAPersonAcceptsTheClock(t *testing.T) {
	h := newClockHouse(t)
	right := h.m.wall
	accept := func(at time.Time) error {
		_, err := h.AcceptClock(t.Context(), administrator(), at)
		return err
	}
	if err := accept(h.m.wall); issuance.KindOf(err) != issuance.Conflict {
		t.Errorf("accepting a clock that nobody doubts: %v", err)
	}
	h.m.jump(3 * year)
	h.tick()
	if _, err := h.AcceptClock(t.Context(), h.staff, h.m.wall); issuance.KindOf(err) != issuance.Denied {
		t.Errorf("an officer accepts: %v, want denied", err)
	}
	for _, at := range []time.Time{{}, right, h.m.wall.Add(time.Hour)} {
		if err := accept(at); err == nil {
			t.Errorf("accepting %v at %v: got no error", at, h.m.wall)
		}
	}
	h.sure(false)
	if err := accept(h.m.wall); err != nil {
		t.Fatal(err)
	}
	h.sure(true)
	ahead := h.order(h.invited()).ID // with messages of that time
	h.m.jump(-3 * year)
	h.m.pass(time.Minute)
	h.tick()
	h.sure(false)
	h.restart()
	h.sure(false)
	if err := accept(h.m.wall); err != nil {
		t.Fatal(err)
	}
	h.sure(true)
	if got := h.recorded(); got.After(h.m.wall.Add(time.Minute)) {
		t.Errorf("%v is on record at %v", got, h.m.wall)
	}
	if _, err := h.Approve(t.Context(), h.staff, h.request().ID, ""); err != nil {
		t.Errorf("an approval: %v", err)
	}
	if err := h.Read(t.Context(), func(tx issuance.Reader) error {
		due, err := tx.DueNotices(issuance.Mail, h.m.wall.Add(time.Second), issuance.MaxPage)
		found := false
		for _, n := range due {
			found = found || n.Order == ahead
		}
		if !found {
			t.Errorf("the invitation of a time that does not come is not due: %d others are", len(due))
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	h.restart()
	h.sure(true)
}

// TestSmallStepsAndNightsOffPass without anybody noticing; many small steps in a row do not.
func TestSmallStepsAndNightsOffPass(t *testing.T) {
	h := newClockHouse(t)
	for _, step := range []time.Duration{time.Second, -time.Second, 25 * time.Second, -25 * time.Second, -20 * time.Second} {
		h.m.jump(step)
		h.tick()
		h.sure(true)
		h.m.pass(2 * time.Hour)
		h.tick()
	}
	h.m.boot(20 * time.Hour)
	h.restart()
	h.sure(true)
	h.m.pass(30 * day) // stopped, on a machine that ran all the time
	h.restart()
	h.sure(true)
	h.m.boot(3 * day)
	h.restart()
	h.sure(false)
	h.m.jump(-3 * day) // a time server corrects it: the machine was off for an hour
	h.m.pass(time.Hour)
	h.tick()
	h.sure(true)
	steps := 0
	for ; h.clock.Sure() == nil && steps < 100; steps++ {
		h.m.jump(20 * time.Second)
		h.m.pass(time.Minute)
		h.tick()
	}
	if steps > 2 {
		t.Errorf("after %d steps of 20 seconds nobody has noticed", steps)
	}
}

// TestADoubtOutlivesTheMachine: the clock has jumped by less than a machine may be off,
// and then the machine starts anew.
func TestADoubtOutlivesTheMachine(t *testing.T) {
	h := newClockHouse(t)
	h.m.jump(6 * time.Hour)
	h.tick()
	h.m.boot(10 * time.Second)
	h.restart()
	h.sure(false)
	h.m.jump(-6 * time.Hour)
	h.tick()
	h.sure(true)
	h.restart()
	h.sure(true)
}

// TestTimeServers has time servers say what they like about a jump.
func TestTimeServers(t *testing.T) {
	same, wrong, silent := issuance.TimeAnswer{Offset: time.Second}, issuance.TimeAnswer{Offset: -3 * year}, issuance.TimeAnswer{Error: "no answer"}
	for name, test := range map[string]struct {
		answers []issuance.TimeAnswer
		want    bool
	}{
		"one agrees":                   {[]issuance.TimeAnswer{same}, true},
		"one lies":                     {[]issuance.TimeAnswer{wrong}, false},
		"one is silent":                {[]issuance.TimeAnswer{silent}, false},
		"one of two is silent":         {[]issuance.TimeAnswer{same, silent}, false},
		"two of three agree":           {[]issuance.TimeAnswer{same, wrong, same}, true},
		"one of three agrees":          {[]issuance.TimeAnswer{same, silent, silent}, false},
		"two of three lie differently": {[]issuance.TimeAnswer{same, wrong, {Offset: 5 * day}}, false},
		"none answers":                 {[]issuance.TimeAnswer{silent, silent, silent}, false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			var answers []issuance.TimeAnswer
			h := newClockHouse(t, func(c *issuance.Config) {
				c.AskTime = func(context.Context) []issuance.TimeAnswer { asked++; return answers }
			})
			answers = test.answers
			asked = 0
			h.m.jump(3 * year) // or it was suspended for so long
			h.tick()
			h.sure(test.want)
			if asked != 1 {
				t.Errorf("asked %d times, want once", asked)
			}
			for range 10 {
				h.m.pass(time.Second)
				h.tick()
			}
			if asked != 1 {
				t.Errorf("asked %d times within ten seconds, want once", asked)
			}
			answers = []issuance.TimeAnswer{same}
			h.m.pass(time.Minute)
			h.tick()
			h.sure(true)
		})
	}
}

// TestWhatTimeServersDisputeTakesNothing: the machine was off for less than a day, as
// far as anybody knows, and starts with a clock that is 20 hours ahead. Time servers
// say so, and until somebody settles it nothing is issued, swept, forgotten or dated.
func TestWhatTimeServersDisputeTakesNothing(t *testing.T) {
	const ahead = 20 * time.Hour
	var answers []issuance.TimeAnswer
	h := newClockHouse(t, func(c *issuance.Config) {
		c.Policy.LinkLifetime = 10 * time.Hour
		c.AskTime = func(context.Context) []issuance.TimeAnswer { return answers }
	})
	once := issuance.OrderRequest{Service: h.service.ID, Contact: h.contact.ID, Another: true, Once: issuance.Once{Key: "k", Request: "r"}}
	made, err := h.Request(t.Context(), h.staff, once)
	h.ok(err)
	h.m.pass(5 * time.Hour)
	h.tick()
	claimed, open, before := h.issued(), h.invited(), h.recorded()
	answers = []issuance.TimeAnswer{{Offset: -ahead}}
	h.m.boot(ahead)
	h.restart()
	for range 3 {
		h.sure(false)
		h.tick()
		h.m.pass(time.Second)
	}
	answers = nil // a start at which they are silent does not forget what they said
	h.restart()
	h.sure(false)
	h.tick()
	_, err = h.Approve(t.Context(), h.staff, made.ID, "")
	h.wantCode(err, issuance.CodeClock)
	if got := h.certificate(claimed).Status; got != issuance.Active {
		t.Errorf("the certificate that waits to be downloaded is %s, want active", got)
	}
	h.wantState(open, issuance.InvitedState)
	if again, err := h.Request(t.Context(), h.staff, once); err != nil || again.ID != made.ID {
		t.Errorf("the request of 25 hours ago was forgotten: it made %s, and %s before, %v", again.ID, made.ID, err)
	}
	if got := h.recorded(); got.Sub(before) > time.Minute {
		t.Errorf("%v is on record, want %v", got, before)
	}
	h.m.jump(-ahead)
	answers = []issuance.TimeAnswer{{}}
	h.m.pass(time.Minute)
	h.tick()
	h.sure(true)
	if got := h.certificate(claimed).Status; got != issuance.Active {
		t.Errorf("when the clock is right again, the certificate is %s, want active", got)
	}
}

// TestTimeServersAreAskedAtTheFirstStart, when nothing is known of the time.
func TestTimeServersAreAskedAtTheFirstStart(t *testing.T) {
	answers := []issuance.TimeAnswer{{Offset: -6 * time.Hour}, {Offset: -6 * time.Hour}, {Error: "no answer"}}
	h := newClockHouse(t, func(c *issuance.Config) {
		c.AskTime = func(context.Context) []issuance.TimeAnswer { return answers }
	})
	h.sure(false)
	h.m.pass(2 * time.Second)
	h.tick()
	h.sure(false)
	h.m.jump(-6 * time.Hour)
	answers = []issuance.TimeAnswer{{}, {}, {}}
	h.m.pass(time.Minute)
	h.tick()
	h.sure(true)
}

// TestSignaturesAreNeverDatedInTheFuture by either time, if what is signed lasts
// longer than the jump; and never by a later time than the house's.
func TestSignaturesAreNeverDatedInTheFuture(t *testing.T) {
	for _, jump := range []time.Duration{0, 6 * time.Hour, 3 * year, -6 * time.Hour, -3 * year} {
		m := newMachine()
		c := &issuance.Clock{Read: m.read, Off: day, Reach: 12 * time.Hour}
		c.Begin(issuance.ClockMark{})
		m.jump(jump)
		m.pass(time.Second)
		house, signing := c.Now(), c.Signing()
		if want := newMachine().wall.Add(time.Second); !house.Equal(want) {
			t.Errorf("%v: it is %v in the house, want %v", jump, house, want)
		}
		want := house
		if jump == -6*time.Hour {
			want = m.wall
		}
		if !signing.Equal(want) {
			t.Errorf("%v: signatures are dated %v, want %v", jump, signing, want)
		}
	}
}

// TestTheDailyReportTellsOfTheClock while it is in doubt.
func TestTheDailyReportTellsOfTheClock(t *testing.T) {
	h := newClockHouse(t)
	if r := h.report(report.Daily, ""); r.ToDo.Clock != "" || strings.Contains(r.Text(), "in doubt") {
		t.Errorf("the clock is in doubt: %s", r.Text())
	}
	h.m.jump(6 * time.Hour)
	if r := h.report(report.Daily, ""); r.ToDo.Clock == "" || !strings.Contains(r.Text(), "clock is in doubt") || !strings.Contains(r.Summary(), "he clock is in doubt") {
		t.Errorf("the report says %q\n%s", r.Summary(), r.Text())
	}
}
