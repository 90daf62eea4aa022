package issuance

import (
	"slices"
	"time"
)

// OneTimeCode is the state of a one-time code, whatever it opens. The code itself
// is computed when it is needed, from its owner's seed and Counter (HOTP, RFC
// 4226).
type OneTimeCode struct {
	Counter    uint64      `json:"counter"`              // 0: none was made yet
	Live       bool        `json:"live"`                 // made, and not used, spent or void
	Notice     NoticeID    `json:"notice,omitempty"`     // that carries it
	AcceptedAt time.Time   `json:"accepted_at,omitzero"` // when the provider accepted it; its lifetime begins here
	Attempts   int         `json:"attempts"`             // counted tries at this code
	MadeAt     []time.Time `json:"made_at,omitempty"`    // of the codes of the last 24 hours, oldest first
}

// next returns the code that follows c, which it voids. A refusal says when the
// next one may be made.
func (c OneTimeCode) next(p Policy, now time.Time) (OneTimeCode, error) {
	recent := c.recent(now)
	at, daily := c.nextAt(p, now)
	switch wait := at.Sub(now); {
	case wait <= 0:
		return OneTimeCode{Counter: c.Counter + 1, Live: true, MadeAt: append(recent, now)}, nil
	case daily:
		return c, &Error{
			Kind: Limited, Code: CodeDailyLimit, Message: itoa(len(recent)) + " codes have been sent in the last 24 hours",
			Hint: "try again later, or call the people who sent you the link", Retry: wait,
		}
	default:
		return c, &Error{
			Kind: Limited, Code: CodeCooldown, Message: "a code has just been sent",
			Hint: "wait before you ask for another one", Retry: wait,
		}
	}
}

// recent returns when the codes of the last 24 hours were made.
func (c OneTimeCode) recent(now time.Time) []time.Time {
	day := now.Add(-24 * time.Hour)
	return slices.DeleteFunc(slices.Clone(c.MadeAt), func(t time.Time) bool { return !t.After(day) })
}

// nextAt returns from when on another code may be made, and whether that is
// because the day's codes are all used.
func (c OneTimeCode) nextAt(p Policy, now time.Time) (at time.Time, daily bool) {
	recent := c.recent(now)
	n := len(recent)
	if n == 0 {
		return now, false
	}
	at = recent[n-1].Add(p.CodeCooldown)
	if n >= p.CodesPerDay {
		if day := recent[n-p.CodesPerDay].Add(24 * time.Hour); day.After(at) {
			return day, true
		}
	}
	return at, false
}

// taken starts c's time: the provider took the SMS with counter. It reports
// whether that is news.
func (c *OneTimeCode) taken(counter uint64, now time.Time) bool {
	if !c.Live || c.Counter != counter || !c.AcceptedAt.IsZero() {
		return false
	}
	c.AcceptedAt = now
	return true
}

// spent reports whether all tries at c are used.
func (c OneTimeCode) spent(p Policy) bool { return c.Attempts >= p.CodeAttempts }

// attemptable returns why nothing can be compared with c, nil if it can.
func (c OneTimeCode) attemptable(p Policy) error {
	switch {
	case c.Counter == 0:
		return &Error{Kind: Conflict, Code: CodeNone, Message: "no code has been sent yet", Hint: "ask for a code first"}
	case !c.Live, c.spent(p):
		return spentError()
	}
	return nil
}

// stands returns why the code with counter, which is right, opens nothing (any
// more), nil if it does.
func (c OneTimeCode) stands(counter uint64, p Policy, now time.Time) error {
	switch {
	case !c.Live, c.Counter != counter:
		return expiredCodeError("this code was correct, but it has since been used or replaced")
	case c.expired(p, now):
		return expiredCodeError("this code was correct, but it has expired")
	}
	return nil
}

// codeRetry is the time that one retry of a code message takes: two tries of 45
// seconds, and the lease that a courier which died leaves behind. A code that no
// provider has taken by then is not sent any more.
const codeRetry = 5 * time.Minute

// ends returns when c expires: after its lifetime, which begins when the provider
// takes it, and never later than that and codeRetry after it was made, whatever a
// provider answers; zero if none was made.
func (c OneTimeCode) ends(p Policy) time.Time {
	begins := c.AcceptedAt
	if n := len(c.MadeAt); n > 0 && (begins.IsZero() || c.late(begins)) {
		begins = c.MadeAt[n-1].Add(codeRetry)
	}
	if begins.IsZero() {
		return begins
	}
	return begins.Add(p.CodeLifetime)
}

// late reports whether it is too late to send c: it would not live as long as its
// message says.
func (c OneTimeCode) late(now time.Time) bool {
	n := len(c.MadeAt)
	return n > 0 && now.After(c.MadeAt[n-1].Add(codeRetry))
}

func (c OneTimeCode) expired(p Policy, now time.Time) bool {
	end := c.ends(p)
	return !end.IsZero() && !now.Before(end)
}

// giveBack takes a counted try at the code with counter back.
func (c *OneTimeCode) giveBack(counter uint64) {
	if c.Counter == counter {
		c.Attempts = max(0, c.Attempts-1)
	}
}

// revive makes the next code in the place of c, which could not be delivered.
func (c *OneTimeCode) revive(now time.Time) {
	*c = OneTimeCode{
		Counter: c.Counter + 1, Live: true, Notice: c.Notice, Attempts: c.Attempts,
		MadeAt: append(slices.Clone(c.MadeAt), now),
	}
}

// renew is revive for a code that nobody can have: no provider was given it. It
// does not count as another.
func (c *OneTimeCode) renew(now time.Time) {
	c.MadeAt = c.MadeAt[:len(c.MadeAt)-1]
	c.revive(now)
}

func spentError() *Error {
	return &Error{Kind: Limited, Code: CodeSpent, Message: "too many wrong attempts at this code", Hint: "ask for a new code"}
}

func expiredCodeError(message string) *Error {
	return &Error{Kind: Denied, Code: CodeExpired, Message: message, Hint: "ask for a new code"}
}

func wrongCodeError(left int) *Error {
	return &Error{
		Kind: Denied, Code: CodeWrongCode, Message: "this code is wrong",
		Hint: "check the newest SMS", Left: left,
	}
}
