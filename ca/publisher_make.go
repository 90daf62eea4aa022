package ca

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// batch is the CRLs of one issuer that are made together, under one number. All
// lists of an issuer share a sequence of numbers, as RFC 5280, section 5.2.4, has
// it for a full CRL and its delta; that a shard's numbers have gaps is allowed.
type batch struct {
	lists    *issuerLists
	editions []*edition // in the order in which they are made
	number   uint64
}

// complete puts the full CRL first, and the delta that goes with it second: those
// of one number say the same.
func (b *batch) complete() {
	if !slices.Contains(b.editions, b.lists.full) {
		return
	}
	first := []*edition{b.lists.full}
	if b.lists.delta != nil {
		first = append(first, &b.lists.delta.edition)
	}
	b.editions = append(first, slices.DeleteFunc(b.editions, func(e *edition) bool { return slices.Contains(first, e) })...)
}

// make puts new CRLs into crls. A list stays as it was if its signer fails. It
// returns false if those after the first of each batch took longer than limit,
// and the rest is still to be made; 0 is no limit.
func (p *Publisher) make(ctx context.Context, batches []*batch, crls map[string]*CRL, limit time.Duration) (all bool, err error) {
	if len(batches) == 0 {
		return true, nil
	}
	// The numbers come before the snapshots: what was known when a number was
	// given out is in the CRL that has it.
	err = p.Store.Update(ctx, func(tx issuance.Feed) (err error) {
		for _, b := range batches {
			if b.number, err = tx.NextCRLNumber(b.lists.issuer.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return true, fmt.Errorf("taking CRL numbers: %w", err)
	}
	var spent time.Duration
	for _, b := range batches {
		drafts, base := p.drafts(b, crls)
		for i, draft := range drafts {
			if i > 0 && limit > 0 && spent > limit {
				return false, err
			}
			begin := time.Now()
			c, failed := draft.sign()
			if failed != nil {
				// Not the delta either: it would tell of a full CRL that there is not.
				err = errors.Join(err, fmt.Errorf("making the CRL %s: %w", draft.name, failed))
				break
			}
			if i > 0 {
				spent += time.Since(begin)
			}
			crls[c.Name] = c
			p.Log.Debug("CRL made", "name", c.Name, "number", c.Number, "entries", c.Entries)
			if i == 0 && base != nil {
				p.mu.Lock()
				b.lists.delta.bases = append(b.lists.delta.bases, *base)
				p.mu.Unlock()
			}
		}
	}
	return true, err
}

// drafts returns the CRLs of b as they are at one moment. If the first is a
// regular full CRL that deltas may refer to, it also returns that base, which is
// one when the CRL is signed.
func (p *Publisher) drafts(b *batch, crls map[string]*CRL) (drafts []crlDraft, base *deltaBase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, l := p.Now(), b.lists
	if l.delta != nil && b.editions[0] == l.full {
		if old, ok := crls[l.full.name]; !ok || old.ThisUpdate.Before(p.refreshAt) || old.ThisUpdate.After(now) {
			l.delta.prune(now, p.Lifetime)
			next := l.delta.nextBase(b.number, now.Add(p.Lifetime).UTC().Truncate(time.Second))
			base = &next
		}
	}
	for _, e := range b.editions {
		d := crlDraft{
			issuer: l.issuer, name: e.name, point: e.point, entries: e.snapshot(), number: b.number, thisUpdate: now,
			nextUpdate: now.Add(p.Lifetime),
		}
		switch {
		case l.delta == nil:
		case e == l.full:
			d.freshest = p.URLs.CRL(l.delta.name)
		case e == &l.delta.edition:
			d.nextUpdate = now.Add(min(2*p.Refresh, p.Lifetime))
			d.base = b.number
			if len(l.delta.bases) > 0 {
				d.base = l.delta.bases[0].number
			}
		}
		drafts = append(drafts, d)
	}
	return drafts, base
}

// forgetBases takes back the bases of deltas that batches have made: their CRLs
// are not published.
func (p *Publisher) forgetBases(batches []*batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range batches {
		if d := b.lists.delta; d != nil {
			d.bases = slices.DeleteFunc(d.bases, func(base deltaBase) bool { return base.number == b.number })
		}
	}
}
