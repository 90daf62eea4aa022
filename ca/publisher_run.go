package ca

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Run follows the store and publishes until ctx ends; then it returns nil. Failures
// are logged and tried again.
func (p *Publisher) Run(ctx context.Context) error {
	if p.published.Load() == nil {
		return errors.New("publisher: Load must succeed before Run")
	}
	var both sync.WaitGroup
	both.Go(func() { p.followOn(ctx) })
	both.Go(func() { p.publishOn(ctx) })
	both.Wait()
	return nil
}

// Catch brings the CRLs up to the store and to the present time, as Run does all the
// time, and returns when that is done.
func (p *Publisher) Catch(ctx context.Context) error {
	return errors.Join(p.follow(ctx), p.retire(ctx), p.publish(ctx))
}

// followOn keeps the lists, and the OCSP responder, as the store is. Making a
// CRL, which takes longer, does not hold it up.
func (p *Publisher) followOn(ctx context.Context) {
	trouble := trouble{what: "following revocations", log: p.Log}
	for ctx.Err() == nil {
		trouble.note(ctx, errors.Join(p.follow(ctx), p.retire(ctx)), p.Now())
		sleep(ctx, followPause, nil)
		sleep(ctx, followEvery-followPause, p.wake)
	}
}

// publishOn makes the CRLs that are due.
func (p *Publisher) publishOn(ctx context.Context) {
	trouble := trouble{what: "publishing CRLs", log: p.Log}
	for ctx.Err() == nil {
		begin := time.Now()
		trouble.note(ctx, p.publish(ctx), p.Now())
		// At most a quarter of the time goes into CRLs, unless a change would have
		// to wait for a second: for the rest of one CRL, the pause and its own CRL.
		took := time.Since(begin)
		sleep(ctx, max(buildPause, min(3*took, buildLongest-2*took)), nil)
		sleep(ctx, followEvery, p.changed)
	}
}

// sleep waits for d, a signal or the end of ctx.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// follow catches up with the store.
func (p *Publisher) follow(ctx context.Context) error {
	p.following.Lock()
	defer p.following.Unlock()
	for {
		at := p.Now()
		p.mu.Lock()
		seq := p.seq
		p.mu.Unlock()
		var changes []issuance.Revocation
		err := p.Store.View(ctx, func(tx issuance.FeedReader) error {
			last, err := tx.LastChange()
			if err != nil || last == seq {
				return err
			}
			if changes, err = tx.Changes(seq, changeBatch); err != nil {
				return err
			}
			return p.settle(tx, changes)
		})
		if err != nil {
			return fmt.Errorf("reading changes: %w", err)
		}
		caughtUp := len(changes) < changeBatch
		p.apply(changes, at, caughtUp)
		if caughtUp {
			return nil
		}
	}
}

// settle has changes say where their certificates stand now. A change of a
// certificate that is not there, which no verb leaves, says that it is not revoked.
func (p *Publisher) settle(tx issuance.FeedReader, changes []issuance.Revocation) error {
	for i, change := range changes {
		c, err := tx.Certificate(change.Serial)
		if errors.Is(err, issuance.ErrNotFound) {
			p.Log.Error("a change is about a certificate that is not in the register", "serial", string(change.Serial))
			c = issuance.Certificate{Serial: change.Serial, Issuer: change.Issuer, NotAfter: change.NotAfter}
		} else if err != nil {
			return err
		}
		changes[i] = c.Revocation()
		changes[i].Seq = change.Seq
	}
	return nil
}

// apply puts changes into the lists. If they are all there were at the time at,
// the lists are as the store was then.
func (p *Publisher) apply(changes []issuance.Revocation, at time.Time, caughtUp bool) {
	p.mu.Lock()
	for _, change := range changes {
		p.seq = max(p.seq, change.Seq)
		if list, ok := p.lists[change.Issuer]; ok {
			p.list(list, change)
		}
	}
	if caughtUp {
		p.seenAt = at
		if !slices.ContainsFunc(p.Issuers, p.behind) {
			p.currentAt = at
		}
	}
	p.mu.Unlock()
	if len(changes) > 0 {
		signal(p.changed)
	}
	if p.Responder == nil {
		return
	}
	if !caughtUp {
		at = time.Time{}
	}
	p.Responder.changed(changes, at)
}

// list has the lists of an issuer say what r says, unless it is of a certificate that has
// left them. The caller holds p.mu.
func (p *Publisher) list(l *issuerLists, r issuance.Revocation) {
	if r.NotAfter.Before(p.cutoff) {
		r.Status = issuance.Active
	}
	if err := l.apply(dated(r, p.Now()), p.DropReasons); err != nil {
		p.Log.Error("a revocation is missing from its CRL", "serial", string(r.Serial), "error", err)
	}
}

// behind reports whether a published CRL of issuer is not as its list. The caller holds p.mu.
func (p *Publisher) behind(issuer Issuer) bool {
	now, lists := p.published.Load(), p.lists[issuer.ID]
	return now == nil || slices.ContainsFunc(lists.editions(), now.lacks)
}

// lacks reports whether e has changed since it was published.
func (p *published) lacks(e *edition) bool {
	c, ok := p.crls[e.name]
	return !ok || c.version != e.version
}

// due returns the CRLs that are to be made, because of a change or because a round
// of regular CRLs has begun, those that have changed first, and whether the root
// is to be asked for its. The caller holds p.mu.
func (p *Publisher) due(now time.Time) (batches []*batch, root bool) {
	published := p.published.Load()
	for _, issuer := range p.Issuers {
		b := &batch{lists: p.lists[issuer.ID]}
		var regular []*edition
		for _, e := range b.lists.editions() {
			switch {
			case published == nil || published.lacks(e):
				b.editions = append(b.editions, e)
			case published.crls[e.name].ThisUpdate.Before(p.refreshAt), published.crls[e.name].ThisUpdate.After(now):
				regular = append(regular, e)
			}
		}
		if b.editions = append(b.editions, regular...); len(b.editions) > 0 {
			b.complete()
			batches = append(batches, b)
		}
	}
	return batches, p.RootCRL != nil && isDue(now, p.rootAt, rootEvery)
}

// beginRound begins a round of regular CRLs if it is time for one. The caller holds p.mu.
func (p *Publisher) beginRound(now time.Time) {
	if isDue(now, p.refreshAt, p.Refresh) {
		p.refreshAt = now.Truncate(time.Second)
	}
}

// isDue reports whether what was last done at a time is to be done again, each
// interval: that time may also be one to come, if the clock was ahead.
func isDue(now, last time.Time, every time.Duration) bool {
	return now.Before(last) || !now.Before(last.Add(every))
}

// publish makes the CRLs that are due.
func (p *Publisher) publish(ctx context.Context) error {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	p.mu.Lock()
	now := p.Now()
	p.beginRound(now)
	batches, root := p.due(now)
	asOf := p.seenAt // the lists of the other issuers are published as they were then
	p.mu.Unlock()
	if len(batches) == 0 && !root {
		return nil
	}
	crls := make(map[string]*CRL)
	old := p.published.Load()
	if old != nil {
		maps.Copy(crls, old.crls)
	}
	limit := buildBatch
	if old == nil {
		limit = 0 // nothing is served before all of them are made
	}
	all, err := p.make(ctx, batches, crls, limit)
	if !all {
		signal(p.changed)
	}
	complete := all && err == nil
	if root {
		err = errors.Join(err, p.makeRoot(crls, now))
	}
	if old == nil && err != nil || old != nil && maps.Equal(crls, old.crls) {
		return err
	}
	if p.Note != nil {
		if failed := p.Note(ctx); failed != nil {
			p.forgetBases(batches)
			return errors.Join(err, fmt.Errorf("noting how far the CRLs have come: %w", failed))
		}
	}
	p.replace(crls)
	p.mu.Lock()
	defer p.mu.Unlock()
	if complete && (asOf.After(p.currentAt) || p.currentAt.After(now)) {
		p.currentAt = asOf
	}
	return err
}

// makeRoot puts the root's CRL into crls. The one before stays if it fails.
func (p *Publisher) makeRoot(crls map[string]*CRL, now time.Time) error {
	der, err := p.RootCRL()
	if err != nil {
		return fmt.Errorf("making the CRL of the root: %w", err)
	}
	root, err := readCRL(RootID, der)
	if err != nil {
		return err
	}
	if old, ok := crls[RootID]; !ok || old.ETag != root.ETag {
		crls[RootID] = root
	}
	p.mu.Lock()
	p.rootAt = now
	p.mu.Unlock()
	return nil
}

// trouble logs a failure when it begins, once in a while as long as it lasts, and its end.
type trouble struct {
	what   string
	log    *slog.Logger
	logged time.Time // zero: all is well
}

func (t *trouble) note(ctx context.Context, err error, now time.Time) {
	switch {
	case ctx.Err() != nil:
	case err == nil && !t.logged.IsZero():
		t.logged = time.Time{}
		t.log.Info("working again", "what", t.what)
	case err != nil && (t.logged.IsZero() || isDue(now, t.logged, logAgain)):
		t.logged = now
		t.log.Error("failed; will try again", "what", t.what, "error", err)
	}
}
