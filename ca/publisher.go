package ca

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/issuance"
)

const (
	crlLifetime  = 24 * time.Hour
	crlRefresh   = time.Hour
	followEvery  = 250 * time.Millisecond // changes by another node are seen this soon
	followPause  = 20 * time.Millisecond  // at least, between two looks at the store
	buildPause   = 100 * time.Millisecond // at least, between two CRLs
	buildBatch   = 200 * time.Millisecond // after which what was made is published, and the rest made next
	buildLongest = 900 * time.Millisecond // at most, from a change to its CRL
	changeBatch  = 1000
	unhealthyAge = 10 * time.Second
	rootEvery    = time.Minute // a CRL that was copied here from an offline root is seen this soon
	logAgain     = time.Minute // while a failure lasts
)

// CodeCRLExpired is the error code for a CRL that could not be renewed in time.
const CodeCRLExpired issuance.Code = "crl-expired"

// Publisher keeps the CRLs of the issuing CAs up to date with the store: each
// change of a certificate's status is in a CRL within a second, several changes
// share one, and CRLs are renewed even if nothing changes. Nothing else takes CRL
// numbers from the store. A CRL lists what the certificates' own records say; the
// feed of changes only says when to look.
//
// A certificate leaves the CRLs one Lifetime after it has expired (RFC 5280, section
// 3.3), and comes back if the clock turns out to have been ahead. A CRL that is dated
// in the future is replaced.
//
// Set the fields, call Load once, then Run in a goroutine. The other methods may be
// called from any goroutine once Load has returned nil.
type Publisher struct {
	Store   issuance.Store[issuance.FeedReader, issuance.Feed]
	Issuers []Issuer // the issuing CAs, each with its signer
	// RootCRL returns the root's own CRL in DER. It is called once a minute, and
	// its result is published if it has changed. If it is nil, no root CRL is
	// published.
	RootCRL func() ([]byte, error)
	// Responder is told of each change before the CRL is made. It may be nil.
	Responder *Responder
	Lifetime  time.Duration // from thisUpdate to nextUpdate; 0: 24 hours
	Refresh   time.Duration // after which an unchanged CRL is renewed; 0: an hour, but at most a quarter of Lifetime
	Now       func() time.Time
	Log       *slog.Logger
	// DropReasons omits the reasons from the CRLs, which makes them 28 % smaller.
	DropReasons bool
	// Shards are numbers of shards, powers of two up to 1,024: for each of them,
	// the CRL of each issuer is also published in so many parts.
	Shards []int
	// Delta also publishes the changes since a full CRL.
	Delta bool
	// Note is called when CRLs were made, before anybody can read them; they are not
	// published if it fails. It notes outside of the store how far that has come, so
	// that no number and no revocation is published that the note has not; may be nil.
	Note func(context.Context) error
	URLs URLs // for shards and deltas: CRLs name the addresses of themselves and each other

	mu        sync.Mutex // guards the fields up to the next empty line
	lists     map[string]*issuerLists
	seq       uint64    // the last change that is in lists
	seenAt    time.Time // when the store last said that seq is its last change
	currentAt time.Time // when the published CRLs last said what the store does
	refreshAt time.Time // when the present round of regular CRLs began: older ones are due
	cutoff    time.Time // certificates that expired before are not in lists any more
	retiredAt time.Time // when cutoff was last looked at
	rootAt    time.Time // when RootCRL last answered

	following  sync.Mutex // held by who changes lists by what the store says
	publishing sync.Mutex // held by who makes CRLs

	published atomic.Pointer[published]
	wake      chan struct{} // look at the store
	changed   chan struct{} // lists have changed
}

// published is what readers get. It is replaced, never changed.
type published struct {
	crls     map[string]*CRL // by name
	bundle   *Bundle
	replaced chan struct{} // closed when there is a newer one
}

// Load reads all revocations from the store and makes the first CRLs. It returns
// an error if a field is not set or the store, a signer or RootCRL fails.
func (p *Publisher) Load(ctx context.Context) error {
	if err := p.check(); err != nil {
		return err
	}
	p.wake, p.changed = make(chan struct{}, 1), make(chan struct{}, 1)
	p.following.Lock()
	err := p.read(ctx, p.readLists)
	p.following.Unlock()
	if err != nil {
		return err
	}
	return p.publish(ctx)
}

// read has the lists be as the store is now, as lists reads them. The caller holds p.following.
func (p *Publisher) read(ctx context.Context, lists func(issuance.FeedReader, time.Time) (map[string]*issuerLists, error)) error {
	at := p.Now()
	cutoff := at.Add(-p.Lifetime)
	var fresh map[string]*issuerLists
	var seq uint64
	err := p.Store.View(ctx, func(tx issuance.FeedReader) (err error) {
		if seq, err = tx.LastChange(); err != nil {
			return err
		}
		fresh, err = lists(tx, cutoff)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the revocations: %w", err)
	}
	p.mu.Lock()
	for id, l := range fresh {
		l.follow(p.lists[id])
	}
	p.lists, p.seq, p.seenAt, p.cutoff, p.retiredAt = fresh, seq, at, cutoff, at
	p.mu.Unlock()
	if p.Responder != nil {
		p.Responder.forget(at)
	}
	return nil
}

// check refuses what cannot work, and sets the defaults.
func (p *Publisher) check() error {
	switch {
	case p.Store == nil, p.Now == nil, p.Log == nil, len(p.Issuers) == 0:
		return errors.New("publisher: Store, Now, Log and at least one issuer are needed")
	case p.Lifetime < 0, p.Refresh < 0:
		return errors.New("publisher: a negative lifetime or refresh")
	case len(p.Shards) > 0 || p.Delta:
		if err := p.URLs.check(); err != nil {
			return err
		}
	}
	for _, n := range p.Shards {
		if err := checkShards(n); err != nil || n == 0 {
			return fmt.Errorf("publisher: %d shards: %w", n, err)
		}
	}
	for _, issuer := range p.Issuers {
		if err := issuer.checkSigner(); err != nil {
			return err
		}
	}
	if p.Lifetime == 0 {
		p.Lifetime = crlLifetime
	}
	if p.Refresh == 0 {
		p.Refresh = min(crlRefresh, p.Lifetime/4)
	}
	if p.Refresh >= p.Lifetime {
		return fmt.Errorf("publisher: CRLs that are valid for %v cannot be refreshed every %v", p.Lifetime, p.Refresh)
	}
	return nil
}

// checkSigner refuses an issuer whose key is missing or is not its certificate's.
func (i Issuer) checkSigner() error {
	if i.Signer == nil || i.Certificate == nil {
		return fmt.Errorf("issuer %s has no certificate or no key here, so it cannot sign", i.ID)
	}
	pub, ok := i.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(i.Certificate.PublicKey) {
		return fmt.Errorf("the key of issuer %s is not the one in its certificate", i.ID)
	}
	if len(i.Certificate.SubjectKeyId) == 0 {
		return fmt.Errorf("the certificate of issuer %s has no subject key identifier", i.ID)
	}
	return nil
}

// readLists reads who is revoked and has not expired before cutoff, of every issuer.
func (p *Publisher) readLists(tx issuance.FeedReader, cutoff time.Time) (map[string]*issuerLists, error) {
	lists := make(map[string]*issuerLists, len(p.Issuers))
	for _, issuer := range p.Issuers {
		l := p.newLists(issuer)
		lists[issuer.ID] = l
		err := tx.Revocations(issuer.ID, func(r issuance.Revocation) error {
			if r.NotAfter.Before(cutoff) {
				return nil
			}
			return l.load(dated(r, p.Now()), p.DropReasons)
		})
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", issuer.ID, err)
		}
	}
	return lists, nil
}

// Wake tells the Publisher that a certificate's status has changed in the store.
func (p *Publisher) Wake() { signal(p.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
