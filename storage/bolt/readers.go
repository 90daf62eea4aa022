package bolt

import (
	"sync"

	"go.etcd.io/bbolt"
)

// readers knows which read transactions are open, and how old each one is.
type readers struct {
	mu   sync.Mutex
	open map[int]int // by transaction id: how many
}

func (r *readers) begin(db *bbolt.DB) (*bbolt.Tx, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := db.Begin(false)
	if err == nil {
		r.open[b.ID()]++
	}
	return b, err
}

func (r *readers) end(b *bbolt.Tx) {
	id := b.ID()
	b.Rollback()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[id]--; r.open[id] == 0 {
		delete(r.open, id)
	}
}

// current reports whether no open read transaction is older than id.
func (r *readers) current(id int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for open := range r.open {
		if open < id {
			return false
		}
	}
	return true
}
