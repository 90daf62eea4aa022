package crlfile

import (
	"testing"
	"time"
)

// through is a follower whose proxy gives up after limit; it returns the waits that
// the server was asked for, and how often one was cut off.
func through(p *Patience, limit time.Duration, questions int) (waits []time.Duration, cuts int) {
	for range questions {
		wait := p.Wait()
		waits = append(waits, wait)
		if wait < limit {
			p.Answered()
			continue
		}
		cuts++
		if p.CutOff(limit) {
			p.Answered()
		}
	}
	return waits, cuts
}

func TestPatience(t *testing.T) {
	for _, c := range []struct {
		proxy time.Duration
		last  time.Duration
		cuts  int
	}{
		{time.Hour, 50 * time.Second, 0},
		{time.Minute, 50 * time.Second, 0},
		{50 * time.Second, 37 * time.Second, 1},
		{30 * time.Second, 22 * time.Second, 1},
		{5 * time.Second, 3 * time.Second, 1},
		{2 * time.Second, time.Second, 1},
		{time.Second, 0, 1},
	} {
		waits, cuts := through(&Patience{Most: LongestWait}, c.proxy, 100)
		if waits[0] != LongestWait || waits[99] != c.last || cuts != c.cuts {
			t.Errorf("behind a proxy that waits %v: first %v, last %v, cut off %d times; want %v, %v, %d", c.proxy, waits[0], waits[99], cuts, LongestWait, c.last, c.cuts)
		}
	}
}

// TestPatienceComesBack: when the proxy is gone, waits become longer again.
func TestPatienceComesBack(t *testing.T) {
	p := &Patience{Most: LongestWait}
	through(p, time.Second, 2)
	if p.Wait() != 0 {
		t.Fatalf("a wait of %v behind a proxy that waits for a second", p.Wait())
	}
	if waits, cuts := through(p, time.Hour, 8*keptMost); waits[len(waits)-1] != LongestWait || cuts > 0 {
		t.Errorf("the last wait is %v, want %v", waits[len(waits)-1], LongestWait)
	}
	// One that stays is tried now and then: a few times in a thousand.
	if _, cuts := through(p, 5*time.Second, 1000); cuts > 1000/keptMost+1 {
		t.Errorf("cut off %d times", cuts)
	}
}

// TestFailuresTeachNothing: a server that is away is no proxy that cuts off.
func TestFailuresTeachNothing(t *testing.T) {
	p := &Patience{Most: LongestWait}
	if p.CutOff(10 * time.Millisecond) {
		t.Error("a request that failed at once was taken for a wait that was cut off")
	}
	if !p.CutOff(5*time.Second) || p.Wait() != 0 {
		t.Fatal("a wait that was cut off is not asked about")
	}
	if p.CutOff(5 * time.Second) {
		t.Error("without a wait it was taken for one that was cut off")
	}
	if p.Answered(); p.Wait() != LongestWait {
		t.Errorf("after a server that was away the wait is %v", p.Wait())
	}
}
