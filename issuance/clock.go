package issuance

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// clockSlack is how far the clock may be stepped without anybody minding: time
// servers step it by less, and leap seconds do.
const clockSlack = 30 * time.Second

// clockSettles is after how long a step within clockSlack is taken for granted:
// many small steps within that time count together.
const clockSettles = time.Hour

// Reading is one look at the clocks of the machine.
type Reading struct {
	Wall time.Time `json:"wall"` // what anybody can set: a person, a time server, a hypervisor
	// Steady is a clock that nobody sets and that goes on while the machine runs; it
	// may stop while that is suspended.
	Steady time.Duration `json:"steady"`
	Run    string        `json:"run,omitempty"` // which run of the machine Steady belongs to; "": unknown
}

// ClockMark is what is kept of the last reading that nobody had doubts about.
type ClockMark struct {
	Reading
	// Doubted: the clock was in doubt when this was written, and so it is at the next
	// start, unless it is known how long that is ago.
	Doubted bool `json:"doubted,omitempty"`
	// Disputed: time servers said another time, and nobody has settled it since.
	Disputed bool `json:"disputed,omitempty"`
}

// PastTime is a time that is over: something was done then.
type PastTime struct {
	What string // as in "the newest audit record"
	At   time.Time
}

// Clock tells the time that the house goes by. It takes the machine's wall clock
// for evidence: if that jumps against a steady clock, or against what was last
// recorded, the clock is in doubt, and the time goes on as if it had not jumped.
// The doubt ends when the clock agrees again with what is known, or when the new
// time is trusted: because time servers agree, or because a person says so.
//
// Read must be set; Begin is called once, before the other methods. Those may be
// called from any goroutine. A nil *Clock is never in doubt.
type Clock struct {
	Read func() Reading
	// Off is how long the machine may have been off, at most, without anybody asking.
	Off time.Duration
	// Reach is how far the clock may be set back for signatures to be dated by it at
	// once: what is signed must last longer.
	Reach time.Duration

	turning sync.Mutex // one change of state at a time
	state   atomic.Pointer[clockState]
}

// clockState is what is known of the time. It is replaced, never changed.
type clockState struct {
	last  Reading       // one that was right, or the latest evidence at the start
	ahead time.Duration // how far the clock may be ahead of what follows from last
	doubt *Doubt        // nil: none
	turns int           // how often the time was trusted anew
}

// Doubt is why and since when the clock is in doubt.
type Doubt struct {
	Since time.Time // by the house's time
	Cause string    // a sentence without its full stop, for staff
	// Jump is how far the clock was away from what it should have said, negative if behind.
	Jump     time.Duration
	atStart  bool // what is known of the time is only how early it cannot be
	byServer bool // time servers say so: that the clock agrees with itself does not end it
}

// Begin judges the first reading by what is known of the time before: mark, which
// may be zero, and evidence. Without any it is trusted: there is nothing to lose yet.
func (c *Clock) Begin(mark ClockMark, known ...PastTime) {
	r := c.Read()
	latest := slices.MaxFunc(append(known, PastTime{"the last recorded time", mark.Wall}),
		func(a, b PastTime) int { return a.At.Compare(b.At) })
	s := &clockState{last: r, ahead: clockSlack}
	if !latest.At.IsZero() {
		s.last.Wall, s.ahead = latest.At, max(c.Off, clockSlack)
		if mark.Doubted {
			s.ahead = clockSlack
		}
	}
	if mark.Run != "" && mark.Run == r.Run { // how long ago the mark was made is known exactly
		then := mark.Wall.Add(r.Steady - mark.Steady)
		if !then.Before(latest.At.Add(-clockSlack)) {
			s.last.Wall, s.ahead, latest.What = then, clockSlack, "the time since the last start"
		}
	}
	if s.agrees(r) {
		s.last, s.ahead = r, clockSlack
	} else {
		s.doubt = s.jump(r, "at the start it was "+distance(s.off(r))+" "+latest.What+", "+stamp(s.last.Wall))
		s.doubt.atStart = true
	}
	if mark.Disputed && s.doubt == nil {
		s.doubt = &Doubt{
			Since: r.Wall.UTC(), Cause: "before the start, time servers said that it was another time", atStart: true, byServer: true,
		}
	}
	c.state.Store(s)
}

// distance is how far a clock is from what is named next.
func distance(off time.Duration) string {
	return span(off) + map[bool]string{true: " before", false: " after"}[off < 0]
}

// time returns what the time is at r if the clock has not jumped.
func (s *clockState) time(r Reading) time.Time { return s.last.Wall.Add(r.Steady - s.last.Steady) }

// off is how far r's wall clock is ahead of that.
func (s *clockState) off(r Reading) time.Duration { return r.Wall.Sub(s.time(r)) }

// agrees reports whether r says what is to be expected.
func (s *clockState) agrees(r Reading) bool {
	off := s.off(r)
	return -clockSlack <= off && off <= s.ahead
}

func (s *clockState) jump(r Reading, cause string) *Doubt {
	return &Doubt{Since: s.time(r).UTC(), Cause: cause, Jump: s.off(r)}
}

// look reads the clocks, and begins to doubt if they disagree.
func (c *Clock) look() (*clockState, Reading) {
	r := c.Read()
	s := c.state.Load()
	if s.doubt != nil || s.agrees(r) {
		return s, r
	}
	c.turning.Lock()
	defer c.turning.Unlock()
	if now := c.state.Load(); now != s { // somebody else was faster: judge anew
		r = c.Read()
		if s = now; s.doubt != nil || s.agrees(r) {
			return s, r
		}
	}
	side := map[bool]string{true: "back", false: "ahead"}[s.off(r) < 0]
	next := *s
	next.doubt = s.jump(r, "it was set "+side+" by "+span(s.off(r))+", to "+stamp(r.Wall))
	c.state.Store(&next)
	return &next, r
}

// Now returns the time that the house goes by, in UTC: the wall clock's, unless
// that is in doubt.
func (c *Clock) Now() time.Time {
	s, r := c.look()
	if s.agrees(r) {
		return r.Wall.UTC()
	}
	return s.time(r).UTC()
}

// Signing returns the time that signatures are dated by: never one that is later
// than the house's. Of a clock that was set back by less than Reach it is the earlier
// time, at once: what lasts longer than the jump is valid by both.
func (c *Clock) Signing() time.Time {
	s, r := c.look()
	if off := s.off(r); s.agrees(r) || off < 0 && off >= -c.Reach {
		return r.Wall.UTC()
	}
	return s.time(r).UTC()
}

// Wall returns what the wall clock says, and whether it is in doubt.
func (c *Clock) Wall() (wall time.Time, doubted bool) {
	s, r := c.look()
	return r.Wall.UTC(), s.doubt != nil
}

// Sure returns nil unless the clock is in doubt; else an error of kind
// Unavailable. Whatever cannot be taken back (to issue, sweep, lapse, forget) is
// left undone then.
func (c *Clock) Sure() error {
	if c == nil {
		return nil
	}
	s, _ := c.look()
	if s.doubt == nil {
		return nil
	}
	return &Error{
		Kind: Unavailable, Code: CodeClock, Retry: time.Minute,
		Message: "the server's clock is in doubt: " + s.doubt.Cause + "; nothing is issued, swept or forgotten until it is settled",
		Hint:    "correct the clock; if it is right, confirm it", Next: Next{AcceptVerb, ClockNoun, ""},
	}
}

// Turns counts how often another time was trusted: whoever keeps what depends on
// the time looks again when it changes.
func (c *Clock) Turns() int { return c.state.Load().turns }

// trust takes r for right from now on.
func (c *Clock) trust(r Reading) {
	c.turning.Lock()
	defer c.turning.Unlock()
	c.state.Store(&clockState{last: r, ahead: clockSlack, turns: c.state.Load().turns + 1})
}

// follow moves on from a reading that was right to r, if r agrees with it.
func (c *Clock) follow(r Reading) {
	c.turning.Lock()
	defer c.turning.Unlock()
	s := c.state.Load()
	if s.doubt == nil && s.agrees(r) {
		c.state.Store(&clockState{last: r, ahead: clockSlack, turns: s.turns})
	}
}

// dispute begins a doubt because time servers say something else.
func (c *Clock) dispute(cause string, off time.Duration) {
	c.turning.Lock()
	defer c.turning.Unlock()
	s := *c.state.Load()
	if s.doubt == nil {
		s.doubt = &Doubt{Since: c.Read().Wall.UTC(), Cause: cause, Jump: off, byServer: true}
		c.state.Store(&s)
	}
}

// TimeAnswer is what a time server says.
type TimeAnswer struct {
	Server string        `json:"server"`
	Offset time.Duration `json:"-"`               // how far it is ahead of the wall clock
	Error  string        `json:"error,omitempty"` // why there is no answer
}

// verdict of time servers: agreed if more than half of all that were asked have the
// wall clock's time, disputed if more than half have another.
func verdict(all []TimeAnswer) (agreed, disputed bool, off time.Duration) {
	var apart []time.Duration
	same := 0
	for _, a := range all {
		switch {
		case a.Error != "":
		case a.Offset.Abs() <= clockSlack:
			same++
		default:
			apart = append(apart, a.Offset)
		}
	}
	slices.SortFunc(apart, func(a, b time.Duration) int { return cmp.Compare(a, b) })
	if 2*len(apart) > len(all) {
		return false, true, -apart[len(apart)/2]
	}
	return 2*same > len(all), false, 0
}

// span says how long d is, in the largest units that matter.
func span(d time.Duration) string {
	d = d.Abs().Round(time.Second)
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return itoa(int(d/day)) + " days"
	case d >= 2*time.Hour:
		return itoa(int(d/time.Hour)) + " hours"
	case d >= 2*time.Minute:
		return itoa(int(d/time.Minute)) + " minutes"
	}
	return itoa(int(d/time.Second)) + " seconds"
}

// stamp writes a time that an error or a record names.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
