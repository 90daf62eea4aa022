package bolt

import (
	"go.etcd.io/bbolt"

	"github.com/postern-ca/postern/storage/storagetest"
)

// All returns the store with the ports of all rooms at once.
func (s *Store) All() storagetest.Store {
	return room[storagetest.Reader, storagetest.Tx]{
		s, func(t *tx) storagetest.Reader { return t }, func(t *tx) storagetest.Tx { return t },
	}
}

// Queued returns how many callers wait.
func (s *Store) Queued() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.calls)
}

// Bolt returns the database beneath.
func (s *Store) Bolt() *bbolt.DB { return s.db }
