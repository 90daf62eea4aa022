package issuance

import (
	"context"
	"sync/atomic"
	"time"
)

// gate bounds expensive work (key generation, key derivation) to as many at a
// time as there are processors for it, and lets a few more wait. Whoever comes
// beyond that is turned away at once and told when to come again, instead of
// waiting until the browser gives up.
type gate struct {
	slots   chan struct{}
	waiting *atomic.Int64
}

// waitersPerWorker is how many wait for each worker: at about a fifth of a
// second a claim, the last waits a few seconds.
const waitersPerWorker = 16

func newGate(workers int) gate {
	return gate{slots: make(chan struct{}, workers), waiting: new(atomic.Int64)}
}

// enter waits for a slot, or returns an error of kind Unavailable at once if too
// many wait already. The caller calls leave if, and only if, there was no error.
func (g gate) enter(ctx context.Context) error {
	if g.waiting.Add(1) > int64(cap(g.slots)*(1+waitersPerWorker)) {
		g.waiting.Add(-1)
		return &Error{
			Kind: Unavailable, Code: CodeBusy, Message: "too many certificates are being created right now",
			Hint: "try again in a few seconds", Retry: 5 * time.Second,
		}
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		g.waiting.Add(-1)
		return ctx.Err()
	}
}

func (g gate) leave() {
	<-g.slots
	g.waiting.Add(-1)
}
