package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/storage/checkpoint"
	"github.com/postern-ca/postern/web/admin"
)

const (
	auditDaily  = 24 * time.Hour
	auditEvery  = time.Minute // how late a check is at most
	auditAtOnce = 5000        // records that are looked at in one transaction
	verifyAgain = 10 * time.Second
)

// auditor checks the chain of audit records at the start and daily, and signs
// checkpoints of it. What it finds raises an alert and a metric, and stops nothing:
// the records say who did what, and no certificate becomes good by them.
type auditor struct {
	house *house
	key   *checkpoint.Key
	sent  latestNote

	walking chan struct{} // one check at a time
	asked   sync.Mutex    // one of staff's runs or waits
	next    time.Time
	again   atomic.Bool // check at the next look, whenever the next day is
	fault   atomic.Pointer[issuance.AuditFault]
	checked atomic.Int64 // Unix time
}

// newAuditor makes the auditor, and the key that signs checkpoints if there is none.
func (h *house) newAuditor(ctx context.Context) error {
	origin := h.cfg.CA.TrustDomain + "/audit"
	seed, err := h.checkpointSeed(ctx, origin)
	if err != nil {
		return err
	}
	key, err := checkpoint.NewKey(origin, seed)
	if err != nil {
		return err
	}
	h.auditor = &auditor{house: h, key: key, walking: make(chan struct{}, 1)}
	if h.mark != nil {
		h.mark.differs = h.auditor.differs
	}
	return nil
}

// differs is told that the records were written anew while the server ran. The next
// look names the record, and alerts.
func (a *auditor) differs(why string) {
	a.found(&issuance.AuditFault{Seq: a.house.noted().Audit, Why: rewritten + why})
	a.again.Store(true)
}

const rewritten = "it, or one before it, was written anew: "

// checkpointSeed returns the key that signs checkpoints, sealed in the database. One
// that is made is on record with its verifier key.
func (h *house) checkpointSeed(ctx context.Context, origin string) (seed issuance.Secret, err error) {
	ref := issuance.SecretRef{Kind: issuance.CheckpointSecret, Owner: "audit"}
	err = h.store.View(ctx, func(tx issuance.Snapshot) error {
		seed, err = tx.Secret(ref)
		return err
	})
	if err == nil || !errors.Is(err, issuance.ErrNotFound) {
		return seed, err
	}
	raw := make([]byte, ed25519.SeedSize)
	rand.Read(raw) //nolint:errcheck // it never fails
	seed = issuance.NewSecret(raw)
	key, err := checkpoint.NewKey(origin, seed)
	if err != nil {
		return seed, err
	}
	return seed, issuance.Do(ctx, h.desk, h.store, func(tx issuance.Tx, e *issuance.Entry) error {
		e.Audit(issuance.System("audit"), issuance.ChainVerb, issuance.AuditRecord{
			Subject: "checkpoint key", Detail: map[string]string{"key": key.Verifier()},
		})
		return tx.PutSecret(ref, seed)
	})
}

// look checks the chain if it is time to: at the start, and daily.
func (a *auditor) look(ctx context.Context) error {
	now := a.house.now()
	if !a.again.Swap(false) && now.Before(a.next) && !now.Before(a.next.Add(-auditDaily)) {
		return nil
	}
	began := time.Now()
	w, err := a.walk(ctx, func(issuance.AuditHead) {})
	if err != nil {
		a.again.Store(true)
		return err
	}
	a.next = now.Add(auditDaily)
	if w.Fault == nil {
		a.house.log.Info("the audit records are as they were written", "records", w.Records, "last", w.At.Seq,
			"took", time.Since(began).Round(time.Millisecond))
		return nil
	}
	return a.house.registrar.Alarm(ctx, "audit", "The audit records are not as they were written: "+w.Fault.Error()+
		". Somebody may have changed the database. Keep a copy of its file and of the high-water mark before anything else, "+
		"run `postern audit verify`, and see docs/operating.md, How an auditor checks")
}

// walk checks the whole chain, and what the high-water mark noted of it. The
// records never change, so it may look at them in many transactions.
func (a *auditor) walk(ctx context.Context, visit func(issuance.AuditHead)) (issuance.AuditWalk, error) {
	select {
	case a.walking <- struct{}{}:
		defer func() { <-a.walking }()
	case <-ctx.Done():
		return issuance.AuditWalk{}, ctx.Err()
	}
	noted := a.house.noted()
	w := issuance.AuditWalk{At: issuance.AuditHead{Link: issuance.NoLink}}
	other := ""
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return w, err
		}
		err := a.house.store.History().View(ctx, func(r issuance.HistoryReader) (err error) {
			w, done, err = r.WalkAudit(w, auditAtOnce, func(h issuance.AuditHead) {
				if h.Seq == noted.Audit {
					other = noted.Contradicts(h.Link)
				}
				visit(h)
			})
			return err
		})
		if err != nil {
			return w, fmt.Errorf("reading the audit records: %w", err)
		}
	}
	switch {
	case w.Fault == nil && other != "":
		w.Fault = &issuance.AuditFault{Seq: noted.Audit, Why: rewritten + other}
	case w.Fault == nil && w.At.Seq < noted.Audit:
		w.Fault = &issuance.AuditFault{
			Seq: w.At.Seq + 1, Why: fmt.Sprintf("the high-water mark knows of records up to %d", noted.Audit),
		}
	}
	a.found(w.Fault)
	return w, nil
}

// found notes the outcome of a check.
func (a *auditor) found(fault *issuance.AuditFault) {
	if fault != nil {
		a.house.log.Error("the audit records are not as they were written", "record", fault.Seq, "why", fault.Why,
			"hint", "keep a copy of the database and the mark, then see docs/operating.md, How an auditor checks")
	}
	a.fault.Store(fault)
	a.checked.Store(a.house.now().Unix())
}

// noted is what the high-water mark has of the records; nothing in a rehearsal.
func (h *house) noted() issuance.HighWater {
	if h.mark == nil {
		return issuance.HighWater{}
	}
	last, _ := h.mark.file.Last()
	return last.HighWater
}

// verify checks the chain for staff, and returns the links of the records in at. Of
// several who ask at once, the second is told to come back: each check reads all.
func (a *auditor) verify(ctx context.Context, at []uint64) (admin.AuditCheck, error) {
	if !a.asked.TryLock() {
		return admin.AuditCheck{}, &issuance.Error{
			Kind: issuance.Unavailable, Code: issuance.CodeBusy, Message: "the audit records are being checked for somebody else",
			Hint: "try again when that is done: a million records take seconds", Retry: verifyAgain,
		}
	}
	defer a.asked.Unlock()
	wanted := make(map[uint64]bool, len(at))
	for _, seq := range at {
		wanted[seq] = true
	}
	links := []issuance.AuditHead{}
	if wanted[0] {
		links = append(links, issuance.AuditHead{Link: issuance.NoLink})
	}
	w, err := a.walk(ctx, func(h issuance.AuditHead) {
		if wanted[h.Seq] {
			links = append(links, h)
		}
	})
	return admin.AuditCheck{
		Records: w.Records, Last: w.At, Began: w.Began, Lost: w.Lost, Key: a.key.Verifier(), Fault: w.Fault,
		Links: slices.Clip(links), Gaps: append([]issuance.AuditGap{}, w.Gaps...),
	}, err
}

func (a *auditor) faulty() float64 {
	if a.fault.Load() != nil {
		return 1
	}
	return 0
}

func (a *auditor) checkedAt() float64   { return float64(a.checked.Load()) }
func (a *auditor) deliveredAt() float64 { return float64(a.sent.at.Load()) }
