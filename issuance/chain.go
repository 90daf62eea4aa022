package issuance

import (
	"fmt"
	"strconv"
)

// AuditHead is an audit record and its link: the SHA-256 of the link before, of the
// record's number, and of every byte that the store keeps of it. The next record
// carries it, so who changes, removes, inserts or swaps records has to rewrite all
// that follow, and the links that are noted elsewhere tell of that.
type AuditHead struct {
	Seq  uint64 `json:"seq"`
	Link Digest `json:"link"` // the zero digest before the first record
}

// NoLink is the link before the first record.
const NoLink Digest = "0000000000000000000000000000000000000000000000000000000000000000"

// ChainReader reads the chain of audit records.
type ChainReader interface {
	// AuditHead returns the last record that was appended, as the transaction noted
	// that appended it; Seq 0 if there is none.
	AuditHead() AuditHead
	// AuditLink returns the link of record seq by what stands there now; "" if there is
	// no such record, or if it is of before there were links.
	AuditLink(seq uint64) (Digest, error)
	// WalkAudit checks up to limit records behind w, calls visit for each that is right,
	// and returns how far it has come. done is true at the end of the chain, or at a fault.
	WalkAudit(w AuditWalk, limit int, visit func(AuditHead)) (next AuditWalk, done bool, err error)
}

// AuditWalk is how far a check of the chain has come. The zero value, with At.Link
// set to NoLink, begins at the first record.
type AuditWalk struct {
	At      AuditHead
	Began   uint64 // the first record that carries a link, 0 if none has come
	Records uint64
	Lost    uint64 // records that a restored copy had not, as the chain itself says
	Gaps    []AuditGap
	Fault   *AuditFault
}

// AuditGap is what a restored copy had not: the records From to To.
type AuditGap struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Link Digest `json:"lost_link,omitempty"` // of record To, if it was known
}

// AuditFault is the first thing in the chain that is wrong.
type AuditFault struct {
	Seq uint64 `json:"seq"` // the first record that is not as it was written
	Why string `json:"why"`
}

func (f *AuditFault) Error() string { return "audit record " + utoa(f.Seq) + ": " + f.Why }

// Detail of a record of LoseVerb, and of ChainVerb.
const (
	lostFrom, lostTo, lostHead = "lost_from", "lost_to", "lost_link"
	chainRecords               = "records"
)

// lostAudit is the detail of the record above a gap: the numbers from to to.Audit
// were given to records that this store has not.
func lostAudit(from uint64, to HighWater) map[string]string {
	d := map[string]string{lostFrom: utoa(from), lostTo: utoa(to.Audit)}
	if to.Head != "" {
		d[lostHead] = string(to.Head)
	}
	return d
}

// Gap returns the gap that r says is before it; false if it says none.
func (r AuditRecord) Gap() (g AuditGap, ok bool) {
	from, err := strconv.ParseUint(r.Detail[lostFrom], 10, 64)
	to, e := strconv.ParseUint(r.Detail[lostTo], 10, 64)
	ok = r.Verb == LoseVerb && err == nil && e == nil && 0 < from && from <= to && to+1 == r.Seq
	return AuditGap{from, to, Digest(r.Detail[lostHead])}, ok
}

// Follows reports whether g is the gap behind w: what is there is not lost. One number
// may have been given again: to the record that began the chain when the copy was opened.
func (g AuditGap) Follows(w AuditWalk) bool {
	return g.From == w.At.Seq+1 || g.From == w.Began && w.At.Seq == w.Began
}

// FirstLink is the record that begins the chain above records that carry no link:
// their number, and, as every record's Prev, one digest over all of them.
func FirstLink(last AuditRecord, records uint64) AuditRecord {
	return AuditRecord{
		At: last.At, Actor: System("update"), Verb: ChainVerb,
		Detail: map[string]string{chainRecords: utoa(records)},
	}
}

// Contradicts says in words how a store in which record h.Audit has link differs
// from the one that h was noted of; "" if it does not.
func (h HighWater) Contradicts(link Digest) string {
	if h.Head == "" || link == h.Head {
		return ""
	}
	return fmt.Sprintf("audit record %d is not the one that was noted: its link is %s, and was %s", h.Audit, short(link),
		short(h.Head))
}

// short is enough of a digest to tell it from another.
func short(d Digest) string {
	if d == "" {
		return "missing"
	}
	return string(d[:min(len(d), 16)])
}
