package issuance

import (
	"context"
	"maps"
	"slices"
	"time"
)

// LossTx is the transaction in which a store that was put back to an older copy
// takes over what is known outside of it.
type LossTx interface {
	Tx
	HistoryReader
	// RaiseHistory raises the numbers that are below those of to: what the store
	// gives out next is above.
	RaiseHistory(to HighWater) error
}

// Witness is what is known outside of a database that came from a copy.
type Witness struct {
	Base    HighWater // how far the copy had come
	Journal *Journal  // nil if there is none
	CRLs    []Published
	// Issuers are the issuing CAs, and when each ends: none of its certificates lasts longer.
	Issuers map[string]time.Time
	// HoldAll puts every certificate on hold that the copy calls active: where
	// nobody knows what was revoked since.
	HoldAll bool
	By      Actor // who takes it over; the zero Actor for the system itself
}

func (e Witness) by() Actor {
	if e.By == (Actor{}) {
		return System("restore")
	}
	return e.By
}

// Published is a complete CRL of an issuing CA that was found somewhere and verified.
type Published struct {
	Issuer     string
	Number     uint64
	ThisUpdate time.Time
	Entries    []Revocation // Serial, Status, Reason, At
}

// jump is added to CRL numbers when the highest that was published is not known:
// at ten CRLs a second it is reached after thirteen years.
const jump = 1 << 32

// journaled reports whether the journal has all changes that the copy lacks.
func (e Witness) journaled() bool {
	return e.Journal != nil && !e.Journal.Blind && e.Journal.Since.Change <= e.Base.Change
}

// Check refuses evidence that leaves open what was revoked since the copy was made.
func (e Witness) Check() error {
	if e.HoldAll || e.journaled() {
		return nil
	}
	for _, issuer := range slices.Sorted(maps.Keys(e.Issuers)) {
		if slices.ContainsFunc(e.CRLs, func(p Published) bool { return p.Issuer == issuer && p.Number > e.Base.CRLs[issuer] }) {
			continue
		}
		return &Error{
			Kind: Conflict, Code: CodeState,
			Message: "what was revoked after " + stamp(e.Base.At) +
				" is not known: there is no complete high-water mark on this machine, " +
				"and no CRL of " + issuer + " that is newer than the copy: with a number above " + utoa(e.Base.CRLs[issuer]),
			Hint: "give the newest CRL, for example the bundle of a web service, or bring the mark of the machine that served last; " +
				"or put every certificate on hold, and release those that you are sure of",
		}
	}
	return nil
}

// known returns how far the store is known to have come.
func (e Witness) known() HighWater {
	high := e.Base
	if e.Journal != nil {
		high = high.Max(e.Journal.Last.HighWater)
	}
	high = high.Max(HighWater{})
	for _, p := range e.CRLs {
		high.CRLs[p.Issuer] = max(high.CRLs[p.Issuer], p.Number)
	}
	return high
}

// above returns what the numbers of the store must be above: all that was ever
// published.
func (e Witness) above() HighWater {
	high := e.known()
	if !e.journaled() {
		for issuer := range e.Issuers {
			high.CRLs[issuer] += jump
		}
	}
	return high
}

// statuses returns what is known to have been held or revoked, the worst that is
// known of each serial number, sorted by it. What the journal says was released
// counts as not held, unless a CRL lists it: nothing is released by a restore.
func (e Witness) statuses() []Revocation {
	last := make(map[Serial]Revocation)
	if e.Journal != nil {
		for _, r := range e.Journal.Changes {
			if old, ok := last[r.Serial]; !ok || old.Status != Revoked || worse(r, old) {
				last[r.Serial] = r
			}
		}
	}
	for _, p := range e.CRLs {
		for _, r := range p.Entries {
			r.Issuer = p.Issuer
			old, ok := last[r.Serial]
			if !ok || worse(r, old) {
				r.NotAfter = old.NotAfter
				last[r.Serial] = r
			}
		}
	}
	maps.DeleteFunc(last, func(_ Serial, r Revocation) bool { return r.Status == Active })
	return slices.SortedFunc(maps.Values(last), func(a, b Revocation) int { return compareText(a.Serial, b.Serial) })
}

// worse reports whether r says something worse of a certificate than old does.
func worse(r, old Revocation) bool {
	rank := func(r Revocation) int {
		switch {
		case r.Status == Revoked && r.Reason == KeyCompromise:
			return 3
		case r.Status == Revoked:
			return 2
		case r.Status == Held:
			return 1
		}
		return 0
	}
	return rank(r) > rank(old)
}

// Loss is what became of a copy that was accepted.
type Loss struct {
	Base  HighWater // how far the copy had come
	Known HighWater // what is known to have been there
	// Noted is the audit record that was noted outside of the copy, if the copy has
	// another one in its place; Found is the link of that one.
	Noted   AuditHead
	Found   Digest
	Revoked int // certificates that are revoked now and were not in the copy
	Held    int // the same of hold
	// Unknown are those of them that the copy has no record of: they are kept as revoked.
	Unknown []Serial
	Orders  []LostOrder
	// Voided are the orders whose one-time code was live in the copy and is void now.
	Voided []OrderID
}

// AcceptLoss takes over what e knows into a store that is behind: every
// certificate that was held or revoked is so again, those that the store has no
// record of included; numbers rise above all that was published; one-time codes
// that were live in the copy, and may have been used since, are void. It changes
// nothing, and returns an error, if e leaves open what was revoked.
//
// It may be called again after a crash with the same evidence. The caller must
// serve nothing meanwhile, and must not serve the store if an error is returned.
func AcceptLoss(ctx context.Context, d *Desk, store Store[HistoryReader, LossTx], p Policy, e Witness) (Loss, error) {
	if err := e.Check(); err != nil {
		return Loss{}, err
	}
	a := &acceptance{ctx: ctx, desk: d, store: store, policy: p, evidence: e, loss: Loss{Base: e.Base, Known: e.known()}}
	if e.Journal != nil {
		a.loss.Orders = lostOrders(e.Journal.Traces, e.Base.Audit)
	}
	// The numbers come first: what is written from here on is above all that was
	// there, also in the journal, where the next copy may need it.
	for _, step := range []func() error{a.raise, a.takeOver, a.certificates, a.voidCodes, a.complete, a.holdAll, a.record} {
		if err := step(); err != nil {
			return a.loss, err
		}
	}
	slices.Sort(a.loss.Voided)
	a.loss.Voided = slices.Compact(a.loss.Voided) // a transaction may have run twice
	return a.loss, nil
}
