package bolt

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// maxBatch is the most callers whose transactions are committed together.
const maxBatch = 256

// company is the longest that a commit waits for more callers.
const company = time.Millisecond

// queue is the calls that wait for the committer. While it commits, others come,
// and they are committed together next.
type queue struct {
	mu     sync.Mutex
	calls  []*call
	last   int           // how many next returned
	took   time.Duration // how long their commit took
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
// empty. A commit costs two fdatasyncs, however many share it: so if there were
// several last time, it waits for company, half as long as that commit took. Who
// comes alone, after somebody who came alone, never waits.
func (q *queue) next() []*call {
	if q.last > 1 {
		time.Sleep(min(q.took/2, company))
	}
	for {
		runtime.Gosched() // those who are ready to come, come first
		batch, closed := q.take()
		q.last = len(batch)
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
