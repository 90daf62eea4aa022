package ca

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// retire has certificates leave the lists one Lifetime after they have expired. It
// looks once in each round of regular CRLs, and reads all anew if the clock was set
// back: some may have left too early. Nothing is changed in the store.
func (p *Publisher) retire(ctx context.Context) error {
	p.following.Lock()
	defer p.following.Unlock()
	now := p.Now()
	p.mu.Lock()
	due, from, to := isDue(now, p.retiredAt, p.Refresh), p.cutoff, p.nextCutoff(now)
	back := now.Before(p.retiredAt)
	p.mu.Unlock()
	switch {
	case back:
		return p.readAgain(ctx)
	case !due:
		return nil
	}
	var moved []issuance.Revocation
	err := p.Store.View(ctx, func(tx issuance.FeedReader) (err error) {
		moved, err = p.expiring(tx, from, to)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading who leaves the CRLs: %w", err)
	}
	p.mu.Lock()
	p.cutoff, p.retiredAt = to, now
	for _, r := range moved {
		p.list(p.lists[r.Issuer], r)
	}
	p.mu.Unlock()
	if len(moved) > 0 {
		signal(p.changed)
	}
	return nil
}

// nextCutoff is a Lifetime ago, but not after the date of any CRL that is
// published: who leaves was in one that is dated after their expiry, even if none
// could be made for longer than a Lifetime. The caller holds p.mu.
func (p *Publisher) nextCutoff(now time.Time) time.Time {
	cutoff := now.Add(-p.Lifetime)
	if published := p.published.Load(); published != nil {
		for _, c := range published.crls {
			if c.Issuer != RootID && c.ThisUpdate.Before(cutoff) {
				cutoff = c.ThisUpdate
			}
		}
	}
	return cutoff
}

// expiring returns the revocations whose certificates expire between two times,
// whichever of them is the earlier.
func (p *Publisher) expiring(tx issuance.FeedReader, from, to time.Time) (out []issuance.Revocation, err error) {
	if to.Before(from) {
		from, to = to, from
	}
	for _, issuer := range p.Issuers {
		err := tx.Revocations(issuer.ID, func(r issuance.Revocation) error {
			if !r.NotAfter.Before(from) && r.NotAfter.Before(to) {
				out = append(out, r)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", issuer.ID, err)
		}
	}
	return out, nil
}

// Remake reads the register anew, every record of a certificate that is held or
// revoked and no index, and makes every CRL and OCSP answer of it. It is for when
// a view was found to differ from the register.
func (p *Publisher) Remake(ctx context.Context) error {
	p.following.Lock()
	err := p.read(ctx, p.readRecords)
	p.following.Unlock()
	if err != nil {
		return err
	}
	return p.publish(ctx)
}

// readAgain reads the lists as Load does, and has CRLs made of them. The caller holds p.following.
func (p *Publisher) readAgain(ctx context.Context) error {
	err := p.read(ctx, p.readLists)
	signal(p.changed)
	return err
}

// dated is r as it is told at now: a revocation is never dated after it is seen, be
// it that the clock was ahead.
func dated(r issuance.Revocation, now time.Time) issuance.Revocation {
	if r.At.After(now) {
		r.At = now.UTC().Truncate(time.Second)
	}
	return r
}

// readRecords is readLists that goes by the certificates' records.
func (p *Publisher) readRecords(tx issuance.FeedReader, cutoff time.Time) (map[string]*issuerLists, error) {
	lists := make(map[string]*issuerLists, len(p.Issuers))
	for _, issuer := range p.Issuers {
		lists[issuer.ID] = p.newLists(issuer)
	}
	var all []issuance.Revocation
	for _, status := range []issuance.Status{issuance.Held, issuance.Revoked} {
		err := eachCertificate(tx, status, func(c issuance.Certificate) {
			if lists[c.Issuer] != nil && !c.NotAfter.Before(cutoff) {
				all = append(all, c.Revocation())
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b issuance.Revocation) int { return a.Serial.Int().Cmp(b.Serial.Int()) })
	for _, r := range all {
		if err := lists[r.Issuer].load(dated(r, p.Now()), p.DropReasons); err != nil {
			return nil, err
		}
	}
	return lists, nil
}

// eachCertificate calls f with every certificate that has status.
func eachCertificate(tx issuance.FeedReader, status issuance.Status, f func(issuance.Certificate)) error {
	q := issuance.CertificateQuery{Status: status, Page: issuance.Page{Limit: issuance.MaxPage}}
	for {
		page, next, err := tx.Certificates(q)
		if err != nil {
			return err
		}
		for _, c := range page {
			if c.Status == status {
				f(c)
			}
		}
		if q.After = next; next == "" {
			return nil
		}
	}
}
