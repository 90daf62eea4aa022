package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/postern-ca/postern/issuance"
)

const (
	ocspLifetime = 5 * time.Minute
	ocspCached   = 100_000
)

// Responder answers OCSP requests (RFC 6960) about the certificates of the
// issuing CAs, with the status that the store has. Each issuer has a delegated
// responder certificate whose key never leaves memory.
//
// Signed answers are kept until the status changes, half of their lifetime has
// passed, or the [Publisher] that has this Responder has not heard from the store
// for a second. Without a Publisher nothing is kept. Answers are signed when they
// are first requested, or in advance while [Responder.Presign] runs. Answers about
// several certificates are not kept.
//
// Set the fields, and call Load once.
type Responder struct {
	Store    issuance.Store[issuance.FeedReader, issuance.Feed]
	Issuers  []Issuer      // the issuing CAs, each with its signer
	Lifetime time.Duration // of an answer; 0: 5 minutes. Proxies cache it for that long, which delays a revocation
	MaxKept  int           // signed answers in memory; 0: 100,000
	// Nonce makes an answer repeat the nonce of its request (RFC 9654). Such
	// answers are signed on request and never cached.
	Nonce bool
	// Signed puts a new responder certificate on record; one with an error is not used.
	// nil: none is kept.
	Signed func(*x509.Certificate) error
	Now    func() time.Time
	Log    *slog.Logger

	issuers []*ocspIssuer
	cache   ocspCache

	kept, signed, presigned atomic.Uint64
}

// OCSPStats counts answers since the process began.
type OCSPStats struct {
	Kept      uint64 // served from memory
	Signed    uint64 // signed on request
	Presigned uint64 // signed in advance
}

// Stats returns the counts of answers so far.
func (r *Responder) Stats() OCSPStats {
	return OCSPStats{r.kept.Load(), r.signed.Load(), r.presigned.Load()}
}

// Answer is an OCSP response. It must not be changed.
type Answer struct {
	DER    []byte
	Status string // good, revoked, unknown, several; or malformed, unauthorized, try-later, which are not signed
	// Cacheable is true for an answer that may be cached until NextUpdate. Only
	// then are the fields below set.
	Cacheable  bool
	ThisUpdate time.Time
	NextUpdate time.Time
	ETag       string // a strong entity tag, with its quotes
}

// Load creates the responder certificates. It returns an error if a field is not
// set or a signer fails.
func (r *Responder) Load() error {
	switch {
	case r.Store == nil, r.Now == nil, r.Log == nil, len(r.Issuers) == 0:
		return errors.New("OCSP responder: Store, Now, Log and at least one issuer are needed")
	case r.Lifetime < 0, r.Lifetime > delegateLife/4, r.MaxKept < 0:
		return fmt.Errorf("OCSP responder: an answer can be valid for at most %v", delegateLife/4)
	}
	if r.Lifetime == 0 {
		r.Lifetime = ocspLifetime
	}
	if r.MaxKept == 0 {
		r.MaxKept = ocspCached
	}
	r.cache.max = r.MaxKept
	r.issuers = nil
	for _, issuer := range r.Issuers {
		if err := issuer.checkSigner(); err != nil {
			return err
		}
		i, err := newOCSPIssuer(issuer, r.Now(), r.Signed)
		if err != nil {
			return err
		}
		r.issuers = append(r.issuers, i)
	}
	return nil
}

// Respond answers a request in DER. It always has an answer: if a request cannot be
// read, asks about too many certificates or about those of another CA, or if the
// store fails, the answer is the corresponding error of RFC 6960, section 2.3. The
// same applies to a request about certificates of two issuing CAs, because nobody
// may sign for both (section 4.2.2.2).
func (r *Responder) Respond(ctx context.Context, request []byte) *Answer {
	asked, ok := parseOCSPRequest(request)
	var nonce []byte
	if ok && r.Nonce {
		nonce, ok = asked.nonce()
	}
	if !ok {
		return &Answer{DER: ocsp.MalformedRequestErrorResponse, Status: "malformed"}
	}
	key, ok := r.find(asked.first)
	if !ok {
		return &Answer{DER: ocsp.UnauthorizedErrorResponse, Status: "unauthorized"}
	}
	if len(asked.more) > 0 || nonce != nil {
		return r.respondFor(ctx, key, asked.more, nonce)
	}
	now := r.Now()
	if a := r.cache.get(key, now); a != nil {
		r.kept.Add(1)
		return a
	}
	a, err := r.make(ctx, key, now)
	return r.made(ctx, key, a, err)
}

// respondFor answers one request alone: about several certificates, or with a nonce.
func (r *Responder) respondFor(ctx context.Context, first ocspKey, more []ocspQuestion, nonce []byte) *Answer {
	keys := []ocspKey{first}
	for _, q := range more {
		key, ok := r.find(q)
		if !ok || key.issuer != first.issuer {
			return &Answer{DER: ocsp.UnauthorizedErrorResponse, Status: "unauthorized"}
		}
		keys = append(keys, key)
	}
	draft, der, err := r.sign(ctx, keys, nonce, r.Now())
	if err != nil {
		return r.made(ctx, first, nil, err)
	}
	status := "several"
	if len(keys) == 1 {
		status = draft.singles[0].status.String()
	}
	return r.made(ctx, first, &Answer{DER: der, Status: status}, nil)
}

// made counts an answer, or says that there is none at this moment.
func (r *Responder) made(ctx context.Context, key ocspKey, a *Answer, err error) *Answer {
	if err == nil {
		r.signed.Add(1)
		return a
	}
	if ctx.Err() == nil {
		r.Log.Error("an OCSP request could not be answered", "serial", string(key.serialNumber()), "error", err)
	}
	return &Answer{DER: ocsp.TryLaterErrorResponse, Status: "try-later"}
}

// find returns what is asked for; false if it is not about one of our issuers.
func (r *Responder) find(q ocspQuestion) (ocspKey, bool) {
	for i, issuer := range r.issuers {
		if issuer.isNamed(q) {
			return ocspKey{issuer: i, hash: q.hash, serial: q.serial}, true
		}
	}
	return ocspKey{}, false
}

// make signs an answer, and keeps it unless the status may have changed meanwhile.
func (r *Responder) make(ctx context.Context, key ocspKey, now time.Time) (*Answer, error) {
	before := r.cache.changes()
	draft, der, err := r.sign(ctx, []ocspKey{key}, nil, now)
	if err != nil {
		return nil, err
	}
	status := draft.singles[0].status
	a := &Answer{DER: der, Status: status.String()}
	if status == statusUnknown {
		return a, nil // it may be issued at any moment
	}
	a.Cacheable, a.ThisUpdate, a.NextUpdate, a.ETag = true, draft.thisUpdate, draft.nextUpdate, etag(der)
	r.cache.put(key, a, before)
	return a, nil
}

// sign reads the statuses and signs what they are at now.
func (r *Responder) sign(ctx context.Context, keys []ocspKey, nonce []byte, now time.Time) (ocspDraft, []byte, error) {
	draft := ocspDraft{issuer: r.issuers[keys[0].issuer], nonce: nonce}
	var err error
	if draft.singles, err = r.status(ctx, draft.issuer, keys); err != nil {
		return draft, nil, err
	}
	for i, s := range draft.singles { // the clock may have been ahead when it was revoked
		if s.revokedAt.After(now) {
			draft.singles[i].revokedAt = now.UTC().Truncate(time.Second)
		}
	}
	by, err := draft.issuer.delegate(now, r.Log)
	if err != nil {
		return draft, nil, err
	}
	draft.thisUpdate = now.UTC().Truncate(time.Second)
	draft.nextUpdate = draft.thisUpdate.Add(r.Lifetime)
	if end := by.certificate.NotAfter; end.Before(draft.nextUpdate) {
		draft.nextUpdate = end
	}
	der, err := draft.sign(by)
	return draft, der, err
}

// status reads what the store says, at one moment.
func (r *Responder) status(ctx context.Context, issuer *ocspIssuer, keys []ocspKey) (singles []ocspSingle, err error) {
	err = r.Store.View(ctx, func(tx issuance.FeedReader) error {
		singles = make([]ocspSingle, 0, len(keys))
		for _, key := range keys {
			c, err := tx.Certificate(key.serialNumber())
			if err != nil && !errors.Is(err, issuance.ErrNotFound) {
				return fmt.Errorf("reading the status: %w", err)
			}
			singles = append(singles, issuer.single(key, c))
		}
		return nil
	})
	return singles, err
}

// single is what is said of c, the zero one if there is no such certificate. One
// that was not issued, or by another of our CAs, is unknown, never good.
func (i *ocspIssuer) single(about ocspKey, c issuance.Certificate) ocspSingle {
	s := ocspSingle{about: about, status: statusUnknown}
	if c.Issuer != i.ID {
		return s
	}
	switch c.Status {
	case issuance.Active:
		s.status = statusGood
	case issuance.Held:
		s.status, s.revokedAt, s.reason = statusRevoked, c.ChangedAt, issuance.CertificateHold.CRLReason()
	case issuance.Revoked:
		s.status, s.revokedAt, s.reason = statusRevoked, c.Since(), c.Reason.CRLReason()
	}
	return s
}

// forget drops every answer that is kept: the statuses are read anew, and known
// as of the time at.
func (r *Responder) forget(at time.Time) { r.cache.clear(at) }

// changed forgets the answers about the certificates in changes. If at is not
// zero, the store had no other changes then.
func (r *Responder) changed(changes []issuance.Revocation, at time.Time) {
	keys := make([]ocspKey, 0, len(changes)*int(ocspHashes))
	for _, change := range changes {
		serial := change.Serial.Int()
		if serial.BitLen() > 8*maxSerialOctets {
			continue
		}
		for i, issuer := range r.issuers {
			if issuer.ID != change.Issuer {
				continue
			}
			for hash := range ocspHashes {
				key := ocspKey{issuer: i, hash: hash}
				serial.FillBytes(key.serial[:])
				keys = append(keys, key)
			}
		}
	}
	r.cache.changed(keys, at)
}
