package bolt

import "sync/atomic"

// Stats counts what a store has done since it was opened.
type Stats struct {
	Operations  uint64 // Updates that ran to their end
	Commits     uint64 // transactions made durable
	Fdatasyncs  uint64 // calls of fdatasync by commits, and of fsync by scrubs
	Writes      uint64 // calls of pwrite by commits: one for each page, or pages in a row, that changed
	PagesZeroed uint64 // by scrubs
	Failed      uint64 // commits that failed
}

type counters struct{ operations, commits, syncs, zeroed, failed atomic.Uint64 }

// Stats returns the counts since s was opened.
func (s *Store) Stats() Stats {
	file := s.db.Stats()
	return Stats{
		Operations: s.stats.operations.Load(), Commits: s.stats.commits.Load(),
		Fdatasyncs: s.stats.syncs.Load(), PagesZeroed: s.stats.zeroed.Load(), Failed: s.stats.failed.Load(),
		Writes: uint64(file.TxStats.GetWrite()),
	}
}
