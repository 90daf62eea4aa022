package bolt

import (
	"slices"
	"sync"
	"time"
)

// maxBatch is the most callers whose transactions are committed together.
const maxBatch = 256

// queue is the calls that wait for the committer.
type queue struct {
	mu     sync.Mutex
	calls  []*call
	want   int           // wake the committer when there are so many
	wake   chan struct{} // holds one
	closed bool
}

func (q *queue) push(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.calls = append(q.calls, c)
	if len(q.calls) >= q.want {
		q.ring()
	}
	return true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ring()
}

func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// ask tells push to wake the committer at want calls, and reports whether there
// is something to wait for.
func (q *queue) ask(want int) (wait bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.want = want
	return len(q.calls) < want && !q.closed
}

// next returns the calls to commit together; nil once the queue is closed and
// empty. Callers that were answered together mostly come again together: if
// there were several of late, next waits for as many, for up to gather.
func (q *queue) next(want int, gather time.Duration) []*call {
	for q.ask(1) {
		<-q.wake
	}
	if want > 1 && q.ask(want) {
		timer := time.NewTimer(gather)
		defer timer.Stop()
		for waiting := true; waiting && q.ask(want); {
			select {
			case <-q.wake:
			case <-timer.C:
				waiting = false
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.calls), maxBatch)
	batch := q.calls[:n:n]
	q.calls = slices.Clone(q.calls[n:])
	if n == 0 {
		return nil
	}
	return batch
}
