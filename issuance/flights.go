package issuance

import (
	"context"
	"sync"
)

// flights lets the claims of one order that come at the same time share one
// attempt: the first does the work, the others wait for it.
type flights struct {
	mu  *sync.Mutex
	now map[OrderID]chan struct{}
}

func newFlights() flights { return flights{mu: new(sync.Mutex), now: make(map[OrderID]chan struct{})} }

// do runs f, or waits while another call for the same order does; first tells
// which. The result of f is the first caller's alone: the others look for
// themselves at what it left in the store.
func (s flights) do(ctx context.Context, id OrderID, f func() error) (first bool, err error) {
	s.mu.Lock()
	if done, ok := s.now[id]; ok {
		s.mu.Unlock()
		select {
		case <-done:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	done := make(chan struct{})
	s.now[id] = done
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.now, id)
		s.mu.Unlock()
		close(done)
	}()
	return true, f()
}
