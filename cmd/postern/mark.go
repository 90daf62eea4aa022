package main

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/bolt"
	"github.com/postern-ca/postern/storage/mark"
)

// markEvery is how much of what happened a rollback at most leaves unnoted, beside
// what was published: that is noted before.
const markEvery = time.Second

// noteAtMost is how many changes, and audit records, one line of the mark covers.
const noteAtMost = 5000

// marker notes outside of the database how far it has come.
//
// What is noted has been committed and synced before, so that no crash can leave
// the mark ahead of the database; and a CRL is published after it was noted, so
// that none is ever ahead of the mark. A crash between leaves a mark that is
// behind: the next note brings it up to date.
type marker struct {
	file *mark.File
	from *bolt.Store
	root func() (uint64, error) // the number of the root's CRL
	now  func() time.Time

	// differs is told once that the records are not those that were noted; nil: nobody is.
	differs func(why string)

	mu   sync.Mutex
	told bool
}

// openMark opens the high-water mark, and refuses a database that is behind it.
func openMark(
	ctx context.Context, path string, store *bolt.Store, authority *ca.Authority, now func() time.Time,
) (*marker, error) {
	file, err := mark.Open(path)
	if err != nil {
		return nil, err
	}
	m := &marker{file: file, from: store, root: authority.RootCRLNumber, now: now}
	if err := m.check(ctx); err != nil {
		file.Close()
		return nil, err
	}
	return m, m.note(ctx)
}

// check returns an error if the database is behind the mark, or came from a copy
// that nobody has accepted.
func (m *marker) check(ctx context.Context) error {
	last, any := m.file.Last()
	if !any {
		return nil
	}
	have, err := m.have(ctx)
	if err != nil {
		return err
	}
	missing := strings.Join(last.Missing(have), ", ")
	other, err := m.contradiction(ctx)
	if err != nil {
		return err
	}
	switch {
	case last.Restored != nil:
		return rolledBack("the database " + last.Restored.Why + ", and what happened after it was made has not been taken over")
	case missing != "":
		return rolledBack("the database is older than the high-water mark of " + last.At.Format(time.RFC3339) + ": it lacks " + missing)
	case other != "":
		return rolledBack("the database is not the one of the high-water mark of " + last.At.Format(time.RFC3339) + ": " + other)
	}
	return nil
}

// contradiction says how the audit record that was noted last differs now, "" if
// it does not. One that the database has not is not looked for.
func (m *marker) contradiction(ctx context.Context) (why string, err error) {
	last, _ := m.file.Last()
	err = m.from.History().View(ctx, func(r issuance.HistoryReader) error {
		link, err := r.AuditLink(last.Audit)
		why = last.Contradicts(link)
		return err
	})
	return why, err
}

func rolledBack(message string) error {
	return &issuance.Error{
		Kind: issuance.Unavailable, Code: issuance.CodeState, Message: message,
		Hint: "it would report revoked certificates as good, so the server does not start: " +
			"restore the newest database, or run `postern restore --accept-loss`",
	}
}

// have reads how far the database and the root's CRL have come.
func (m *marker) have(ctx context.Context) (h issuance.HighWater, err error) {
	err = m.from.History().View(ctx, func(r issuance.HistoryReader) error {
		h, err = issuance.ReadHighWater(r, m.now())
		return err
	})
	if err == nil {
		h.CRLs[ca.RootID], err = m.root()
	}
	return h, err
}

// note brings the mark up to date, if anything has happened since the last note.
func (m *marker) note(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		more, err := m.noteSome(ctx)
		if err != nil || !more {
			return err
		}
	}
}

func (m *marker) noteSome(ctx context.Context) (more bool, err error) {
	last, any := m.file.Last()
	var p issuance.Progress
	other := ""
	err = m.from.History().View(ctx, func(r issuance.HistoryReader) error {
		if !any { // what came before is not noted one by one
			p.HighWater, err = issuance.ReadHighWater(r, m.now())
			p.Since = issuance.HighWater{Change: p.Change, Audit: p.Audit}
			return err
		}
		if p, more, err = issuance.ReadProgress(r, last.HighWater, noteAtMost, m.now()); err != nil || last.Restored != nil {
			return err // what a copy lacks has been accepted
		}
		link, err := r.AuditLink(last.Audit)
		if other = last.Contradicts(link); other != "" {
			p.Keep(last.HighWater)
			more = len(p.Changes) == noteAtMost
		}
		return err
	})
	m.doubt(other)
	if err == nil {
		p.CRLs[ca.RootID], err = m.root()
	}
	if err == nil {
		err = m.from.Settle(ctx) // what was read may not be durable before
	}
	if err != nil || any && p.Change == last.Change && p.Audit == last.Audit && maps.Equal(p.CRLs, last.CRLs) &&
		last.Restored == nil {
		return false, err
	}
	return more, m.file.Append(p)
}

// doubt says once that the records are not those that were noted.
func (m *marker) doubt(why string) {
	if why == "" || m.told || m.differs == nil {
		return
	}
	m.told = true
	m.differs(why)
}

func (m *marker) close() error { return m.file.Close() }
