package issuance

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// clock is when the tests begin.
func clock() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

// verbs returns what each verb does to an order, whatever its state: the state
// it would lead to is the table's business.
func verbs(p Policy, now time.Time) map[Verb]func(*Order) error {
	staff, other := Actor{Role: RoleOfficer, ID: "tok-1"}, Actor{Role: RoleOfficer, ID: "tok-2"}
	return map[Verb]func(*Order) error{
		RequestVerb:  func(o *Order) error { return o.move(RequestVerb, RequestedState, now) },
		ReenrollVerb: func(o *Order) error { return o.Reenroll(now) },
		ApproveVerb:  func(o *Order) error { return o.Approve(other, "of", "d2", p, now) },
		RejectVerb:   func(o *Order) error { return o.Reject(staff, "no", now) },
		ResendVerb:   func(o *Order) error { return o.Resend("d3", p, now) },
		VoidVerb:     func(o *Order) error { return o.Void(now) },
		CodeVerb:     func(o *Order) error { return o.NewCode(p, now) },
		AttemptVerb: func(o *Order) error {
			o.Code = OneTimeCode{Counter: 1, Live: true}
			return o.Attempt(p, now)
		},
		LockVerb: func(o *Order) error {
			o.Attempts = p.OrderAttempts
			return o.Lock(now)
		},
		UnlockVerb: func(o *Order) error { return o.Unlock(now) },
		VerifyVerb: func(o *Order) error {
			o.Code = OneTimeCode{Counter: 1, Live: true, AcceptedAt: now}
			return o.Verify(1, "s", p, now)
		},
		ReserveVerb:  func(o *Order) error { return o.Reserve("01", now) },
		IssueVerb:    func(o *Order) error { o.Reserved = "01"; return o.Issue("01", false, now) },
		DownloadVerb: func(o *Order) error { _, err := o.Download(now); return err },
		CompleteVerb: func(o *Order) error { o.FromCSR = o.State == IssuedState; return o.Complete(now) },
		ReopenVerb:   func(o *Order) error { return o.Reopen(now) },
		WipeVerb:     func(o *Order) error { return o.Wipe(now) },
		LapseVerb:    func(o *Order) error { return o.Lapse(now) },
		CancelVerb:   func(o *Order) error { return o.Cancel(staff, "", now) },
		RevokeVerb:   func(o *Order) error { return o.Revoked(now) },

		ResendPasswordVerb: func(o *Order) error { return o.ResendPassword(now) },
	}
}

func TestEveryVerbInEveryState(t *testing.T) {
	p, now := DefaultPolicy(), clock()
	// What verbs do beyond the table: to record again what is so already.
	repeats := []Move{
		{DownloadVerb, DownloadedState, DownloadedState},
		{DownloadVerb, CompletedState, CompletedState},
		{RevokeVerb, CompletedState, CompletedState},
	}
	for verb, do := range verbs(p, now) {
		for _, from := range append(OrderStates(), "") {
			o := Order{ID: "ord-1", State: from, RequestedBy: Actor{ID: "tok-1"}, Link: Link{Digest: "d1", Number: 1, ExpiresAt: now.Add(time.Hour)}}
			err := do(&o)
			i := slices.IndexFunc(slices.Concat(moves, repeats), func(m Move) bool { return m.Verb == verb && m.From == from })
			if i < 0 {
				if err == nil {
					t.Errorf("%s in state %q: got state %q, want a refusal", verb, from, o.State)
				}
				if o.State != from {
					t.Errorf("%s in state %q was refused and left state %q", verb, from, o.State)
				}
				continue
			}
			if want := slices.Concat(moves, repeats)[i].To; err != nil || o.State != want {
				t.Errorf("%s in state %q: got %q, %v; want %q", verb, from, o.State, err, want)
			}
		}
	}
}

func TestEveryMoveHasAVerbAndStates(t *testing.T) {
	known := verbs(DefaultPolicy(), clock())
	for _, m := range moves {
		if known[m.Verb] == nil {
			t.Errorf("the test does not know verb %q of the table", m.Verb)
		}
		if m.From != "" && !slices.Contains(OrderStates(), m.From) || !slices.Contains(OrderStates(), m.To) {
			t.Errorf("move %v has a state that is not one", m)
		}
	}
}

func TestRefusalSaysWhereTheOrderStandsAndWhatIsPossible(t *testing.T) {
	o := Order{ID: "ord-1", State: LockedState}
	err := o.Complete(clock())
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != Conflict || e.Message != "order ord-1 is locked, so it cannot be completed" || e.Hint != "you can unlock or cancel it" {
		t.Errorf("got %#v", err)
	}
}

func TestFourEyes(t *testing.T) {
	p := DefaultPolicy()
	p.FourEyes = true
	requester := Actor{Role: RoleOfficer, ID: "tok-1", Name: "then"}
	o := Order{State: RequestedState, RequestedBy: requester}
	// A token that was renamed is still the same person's.
	if err := o.Approve(Actor{Role: RoleAdministrator, ID: "tok-1", Name: "now"}, "of", "d", p, clock()); CodeOf(err) != CodeFourEyes {
		t.Errorf("the requester approved: %v", err)
	}
	// Two tokens of one person are not two persons; nor is one that had no owner when it requested.
	requester.Owner = "olga@postern.example"
	for _, second := range []Actor{
		{Role: RoleAdministrator, ID: "tok-2", Name: "ci", Owner: "Olga@postern.example"},
		{Role: RoleAdministrator, ID: "tok-2", Name: "olga@postern.example"},
	} {
		o := Order{State: RequestedState, RequestedBy: requester}
		if err := o.Approve(second, "of", "d", p, clock()); CodeOf(err) != CodeFourEyes {
			t.Errorf("the requester approved with another token: %v", err)
		}
	}
	if err := o.Approve(Actor{Role: RoleOfficer, ID: "tok-2"}, "of", "d", p, clock()); err != nil {
		t.Errorf("another officer could not approve: %v", err)
	}
}

func TestCodeLivesThirtyMinutesFromTheProvidersAcceptance(t *testing.T) {
	p, made := DefaultPolicy(), clock()
	taken := made.Add(2 * time.Minute) // at the second try
	for _, tc := range []struct {
		after time.Duration
		want  Code
	}{
		{0, ""},
		{30*time.Minute - time.Second, ""},
		{30 * time.Minute, CodeExpired},
		{time.Hour, CodeExpired},
	} {
		o := Order{State: InvitedState}
		if err := o.NewCode(p, made); err != nil {
			t.Fatal(err)
		}
		o.CodeTaken(1, taken)
		o.CodeTaken(1, taken.Add(time.Minute)) // a second acceptance does not lengthen it
		if err := o.Verify(1, "s", p, taken.Add(tc.after)); CodeOf(err) != tc.want {
			t.Errorf("%v after acceptance: got %v, want code %q", tc.after, err, tc.want)
		}
	}
}

// TestNoCodeOutlivesItsTime has providers that take a code late, or never say that
// they did: it counts from when the code was made.
func TestNoCodeOutlivesItsTime(t *testing.T) {
	for name, p := range map[string]Policy{"default": DefaultPolicy(), "strict": DefaultPolicy().Strict()} {
		for _, taken := range []time.Duration{0, time.Minute, codeRetry, codeRetry + time.Second, 3 * time.Hour, 12 * time.Hour, -1} {
			o := Order{State: InvitedState}
			if err := o.NewCode(p, clock()); err != nil {
				t.Fatal(err)
			}
			if taken >= 0 {
				o.CodeTaken(1, clock().Add(taken))
			}
			if err := o.Verify(1, "s", p, clock().Add(p.CodeLifetime+codeRetry)); CodeOf(err) != CodeExpired {
				t.Errorf("%s, taken after %v: got %v, want code %q", name, taken, err, CodeExpired)
			}
		}
	}
}

func TestNewCodeChecksItsLimitsBeforeItTouchesTheOldCode(t *testing.T) {
	p, now := DefaultPolicy(), clock()
	o := Order{State: InvitedState}
	for i := range p.CodesPerDay {
		if err := o.NewCode(p, now); err != nil {
			t.Fatal(err)
		}
		before := o
		err := o.NewCode(p, now.Add(p.CodeCooldown-time.Second))
		want := CodeCooldown
		if i == p.CodesPerDay-1 { // it would be no use to wait for the cool-down alone
			want = CodeDailyLimit
		}
		if e, _ := errors.AsType[*Error](err); CodeOf(err) != want || want == CodeCooldown && e.Retry != time.Second {
			t.Errorf("code %d again within the cool-down: got %v", i+1, err)
		}
		if o.Code.Counter != before.Code.Counter || !o.Code.Live {
			t.Errorf("the refusal changed the code: %+v", o.Code)
		}
		now = now.Add(p.CodeCooldown)
	}
	err := o.NewCode(p, now)
	if e, _ := errors.AsType[*Error](err); CodeOf(err) != CodeDailyLimit || e.Retry != clock().Add(24*time.Hour).Sub(now) {
		t.Errorf("code %d: got %v, %v", p.CodesPerDay+1, err, e.Retry)
	}
	if !o.Code.Live || o.Code.Counter != uint64(p.CodesPerDay) {
		t.Errorf("the refusal changed the code: %+v", o.Code)
	}
	if err := o.NewCode(p, clock().Add(24*time.Hour)); err != nil {
		t.Errorf("a day after the first: %v", err)
	}
}

func TestTriesAreCountedACodeAndAnOrder(t *testing.T) {
	p, now := DefaultPolicy(), clock()
	o := Order{ID: "ord-1", State: InvitedState}
	for code := range 2 {
		if err := o.NewCode(p, now); err != nil {
			t.Fatal(err)
		}
		for i := range p.CodeAttempts {
			if err := o.Attempt(p, now); err != nil {
				t.Fatalf("code %d, try %d: %v", code, i+1, err)
			}
			refused := o.wrong(o.Code.Counter, p)
			want := CodeWrongCode
			if i == p.CodeAttempts-1 {
				want = CodeSpent
				if code == 1 {
					want = CodeLocked
				}
			}
			if refused.Code != want {
				t.Errorf("code %d, try %d: got %q, want %q", code, i+1, refused.Code, want)
			}
			if want == CodeWrongCode && refused.Left != p.CodeAttempts-1-i {
				t.Errorf("code %d, try %d: %d tries left", code, i+1, refused.Left)
			}
		}
		if err := o.Attempt(p, now); err == nil {
			t.Errorf("code %d took a try beyond its last", code)
		}
		now = now.Add(time.Hour)
	}
	if !o.spent(p) || o.State != InvitedState {
		t.Errorf("after %d wrong tries the order is %s, spent: %v; want it spent, for the caller to lock", p.OrderAttempts, o.State, o.spent(p))
	}
}

func TestPeriodOfTheCalendar(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		after    time.Time
	}{
		{"2y", "2y", time.Date(2028, 3, 1, 9, 0, 0, 0, time.UTC)},
		{"18mo", "18mo", time.Date(2027, 9, 1, 9, 0, 0, 0, time.UTC)},
		{"90d", "90d", time.Date(2026, 5, 30, 9, 0, 0, 0, time.UTC)},
		{" 1Y6MO ", "1y6mo", time.Date(2027, 9, 1, 9, 0, 0, 0, time.UTC)},
	} {
		p, err := ParsePeriod(tc.in)
		if err != nil || p.String() != tc.want || !p.After(clock()).Equal(tc.after) {
			t.Errorf("ParsePeriod(%q) = %q, %v; after it is %v, want %v", tc.in, p, err, p.After(clock()), tc.after)
		}
	}
	for _, in := range []string{"", "y", "2", "2 y", "-2y", "2y-1mo", "0y", "11y", "999999y", "2h", "2y x"} {
		if p, err := ParsePeriod(in); KindOf(err) != Invalid {
			t.Errorf("ParsePeriod(%q) = %v, %v; want an error of kind invalid", in, p, err)
		}
	}
}
