package crlfile

import "time"

// LongestWait is how long a server is asked to wait for another bundle. It is
// below a minute, after which nginx, HAProxy and most load balancers give up.
const LongestWait = 50 * time.Second

// A wait that ends within leastCut was not ended for its length, and after keptMost
// answers a longer wait is tried again: what was on the way may be gone.
const (
	leastCut = time.Second
	keptMost = 200
)

// Patience decides how long a follower asks its server to wait for a change. A
// proxy in between may give up before the server answers, with a status such as 504
// or by closing the connection. Then the follower asks once without a wait. If that
// is answered, the wait was too long, and the next ones are shorter.
//
// The caller may only set Most. A Patience is not safe for concurrent use.
type Patience struct {
	Most time.Duration // the longest wait

	learned bool
	limit   time.Duration // of a wait, once something was learned
	cut     time.Duration // after how long the last wait was cut off; 0: it was not
	kept    int           // answers since the limit was last changed
}

// Wait returns how long to ask the server to wait, in whole seconds; 0: not at all.
func (p *Patience) Wait() time.Duration {
	switch {
	case p.cut > 0:
		return 0
	case p.learned:
		return p.limit.Truncate(time.Second)
	}
	return p.Most.Truncate(time.Second)
}

// Answered records that the server has answered, with or without a wait.
func (p *Patience) Answered() {
	if p.cut > 0 {
		p.shorten()
		return
	}
	if p.kept++; p.learned && p.kept >= keptMost {
		p.limit, p.kept = max(2*p.limit, time.Second), 0
		p.learned = p.limit < p.Most
	}
}

// shorten leaves a quarter of the time after which the wait was cut off.
func (p *Patience) shorten() {
	asked := p.Most
	if p.learned {
		asked = p.limit
	}
	p.limit = (min(p.cut, asked) * 3 / 4).Truncate(time.Second)
	p.learned, p.cut, p.kept = true, 0, 0
}

// CutOff records that a request ended after that time without an answer from the
// server, and reports whether to ask again at once, without a wait. If not, it was
// an ordinary failure.
func (p *Patience) CutOff(after time.Duration) bool {
	if p.Wait() == 0 || after < leastCut {
		p.cut = 0
		return false
	}
	p.cut = after
	return true
}

// MayBeCutOff reports whether a status may come from a proxy that gave up waiting:
// 408 and those above 500, such as 504 from nginx and 524 from others.
func MayBeCutOff(status int) bool { return status == 408 || status > 500 }
