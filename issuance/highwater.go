package issuance

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// HighWater is how far a store had come at a moment. It is noted outside of the
// database, which can be put back to an older copy: what is below it is old.
type HighWater struct {
	At     time.Time         `json:"at"`             // when it was noted
	Clock  time.Time         `json:"clock,omitzero"` // the latest time that the store had seen
	Change uint64            `json:"change"`         // Seq of the last change of a certificate's status
	CRLs   map[string]uint64 `json:"crls,omitempty"` // the highest CRL number by issuer, the root's too
	Audit  uint64            `json:"audit"`          // Seq of the last audit record
	Head   Digest            `json:"head,omitempty"` // the link of the audit record Audit, once they are a chain
}

// Missing says in words what a store that has come to have lacks of h; nothing if
// it is not behind.
func (h HighWater) Missing(have HighWater) (missing []string) {
	if n := h.Change; n > have.Change {
		missing = append(missing, fmt.Sprintf("changes of status %d to %d", have.Change+1, n))
	}
	for _, issuer := range slices.Sorted(maps.Keys(h.CRLs)) {
		if n := h.CRLs[issuer]; n > have.CRLs[issuer] {
			missing = append(missing, fmt.Sprintf("CRL numbers %d to %d of %s", have.CRLs[issuer]+1, n, issuer))
		}
	}
	if n := h.Audit; n > have.Audit {
		missing = append(missing, fmt.Sprintf("audit records %d to %d", have.Audit+1, n))
	}
	return missing
}

// Max returns, of each number, the higher one of h and o. The rest is that of the later one.
func (h HighWater) Max(o HighWater) HighWater {
	if o.At.After(h.At) {
		h, o = o, h
	}
	if o.Audit > h.Audit {
		h.Audit, h.Head = o.Audit, o.Head
	}
	if o.Clock.After(h.Clock) {
		h.Clock = o.Clock
	}
	h.Change = max(h.Change, o.Change)
	h.CRLs = maps.Clone(h.CRLs)
	if h.CRLs == nil {
		h.CRLs = make(map[string]uint64)
	}
	for issuer, n := range o.CRLs {
		h.CRLs[issuer] = max(h.CRLs[issuer], n)
	}
	return h
}

// Trace is what is noted of an audit record outside of the database: what was
// done to which order, and nothing of the persons.
type Trace struct {
	Seq          uint64     `json:"seq"`
	At           time.Time  `json:"at"`
	Verb         Verb       `json:"verb"`
	Organization OrgID      `json:"organization,omitempty"`
	Order        OrderID    `json:"order,omitempty"`
	Serial       Serial     `json:"serial,omitempty"`
	Subject      string     `json:"subject,omitempty"`
	Notice       NoticeKind `json:"notice,omitempty"` // of a message that was sent
}

// untraced are the verbs whose records are not noted: there are many of them, and
// what comes of them has a record of its own.
var untraced = []Verb{AttemptVerb, VerifyVerb, ReserveVerb}

func trace(r AuditRecord) Trace {
	return Trace{r.Seq, r.At, r.Verb, r.Organization, r.Order, r.Serial, r.Subject, NoticeKind(r.Detail["notice"])}
}

// Progress is one note outside of the database: how far the store had come, and
// what happened since the note before.
type Progress struct {
	HighWater
	Since   HighWater    `json:"since"` // Changes and Traces are all that followed it
	Changes []Revocation `json:"changes,omitempty"`
	Traces  []Trace      `json:"traces,omitempty"`
	// Restored says that the database came from a copy that nobody has accepted yet,
	// whatever its numbers say; nil if it did not.
	Restored *Restored `json:"restored,omitempty"`
}

// Keep has p say of the audit records what was noted of them before: they have been
// written anew since, and what was noted is the evidence of it.
func (p *Progress) Keep(noted HighWater) { p.Audit, p.Head, p.Traces = noted.Audit, noted.Head, nil }

// Restored is a copy of the database that was put in place.
type Restored struct {
	Why  string    `json:"why"`
	Base HighWater `json:"base"` // how far the copy had come
}

// Journal is all that was noted.
type Journal struct {
	Last  Progress  // without its changes and traces
	Since HighWater // Changes and Traces are all that followed it
	// Blind says that nothing was ever noted but that a copy was put in place.
	Blind   bool
	Changes []Revocation
	Traces  []Trace
}

// HistoryReader reads how far a store has come, and what happened on the way.
type HistoryReader interface {
	Changes(after uint64, limit int) ([]Revocation, error)
	LastChange() (uint64, error)
	// CRLNumbers returns the last number that NextCRLNumber gave, by issuer.
	CRLNumbers() (map[string]uint64, error)
	// AuditAfter looks at up to limit records with a Seq above after, rising, and
	// returns those of other verbs than skip. last is the Seq of the last one that it
	// has looked at, after if there is none.
	AuditAfter(after uint64, limit int, skip ...Verb) (found []AuditRecord, last uint64, err error)
	// LastAudit returns the highest Seq given to an audit record, 0 if none.
	LastAudit() (uint64, error)
	ChainReader
	Clock() (time.Time, error)
}

// ReadHighWater reads how far a store has come at now.
func ReadHighWater(r HistoryReader, now time.Time) (h HighWater, err error) {
	h.At = now.UTC()
	if h.Change, err = r.LastChange(); err != nil {
		return h, err
	}
	if h.CRLs, err = r.CRLNumbers(); err != nil {
		return h, err
	}
	if h.Audit, err = r.LastAudit(); err != nil {
		return h, err
	}
	if h.Head, err = r.AuditLink(h.Audit); err != nil {
		return h, err
	}
	h.Clock, err = r.Clock()
	return h, err
}

// ReadProgress reads what happened since, at most limit records of each kind; more
// is true if that is not all. What it returns stands for what it has read alone.
func ReadProgress(r HistoryReader, since HighWater, limit int, now time.Time) (p Progress, more bool, err error) {
	if p.HighWater, err = ReadHighWater(r, now); err != nil {
		return p, false, err
	}
	p.Since = HighWater{Change: since.Change, Audit: since.Audit}
	if p.Changes, err = r.Changes(since.Change, limit); err != nil {
		return p, false, err
	}
	records, last, err := r.AuditAfter(since.Audit, limit, untraced...)
	if err != nil {
		return p, false, err
	}
	for _, record := range records {
		p.Traces = append(p.Traces, trace(record))
	}
	if len(p.Changes) == limit {
		p.Change, more = p.Changes[limit-1].Seq, true
	}
	if last < p.Audit && last > since.Audit {
		p.Audit, more = last, true
		p.Head, err = r.AuditLink(last)
	}
	return p, more, err
}
