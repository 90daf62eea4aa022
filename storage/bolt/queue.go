package bolt

import (
	"runtime"
	"slices"
	"sync"
)

// maxBatch is the most callers whose transactions are committed together.
const maxBatch = 256

// queue is the calls that wait for the committer. While it commits, others come;
// they are committed together next, and nobody waits for company.
type queue struct {
	mu     sync.Mutex
	calls  []*call
	wake   chan struct{} // holds one: there is something to do
	closed bool
}

func (q *queue) push(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.calls = append(q.calls, c)
	q.ring()
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

// next returns the calls to commit together; nil once the queue is closed and
// empty.
func (q *queue) next() []*call {
	for {
		runtime.Gosched() // those who are ready to come, come first
		batch, closed := q.take()
		if len(batch) > 0 || closed {
			return batch
		}
		<-q.wake
	}
}

func (q *queue) take() (batch []*call, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.calls), maxBatch)
	batch = q.calls[:n:n]
	q.calls = slices.Clone(q.calls[n:])
	return batch, q.closed
}
