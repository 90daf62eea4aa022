package bolt

import "go.etcd.io/bbolt"

// Queued returns how many callers wait.
func (s *Store) Queued() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.calls)
}

// Bolt returns the database beneath.
func (s *Store) Bolt() *bbolt.DB { return s.db }
