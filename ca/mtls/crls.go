package mtls

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
)

// CRLs keeps the CRLs of every CA of the hierarchy up to date in memory, so a check
// costs no request. Set the fields, then call [CRLs.Run]. Until a first bundle has
// been read, every status is unknown.
//
// A bundle takes effect as a whole if all of it is valid; otherwise the previous
// one remains in use. CRLs is for hierarchies with up to some hundred thousand
// revoked certificates, which take about 60 bytes each.
type CRLs struct {
	CAs *CAs
	// URL is the address of the bundle, for example
	// http://pki.example.com/pki/crl-bundle.pem. Each request for it waits for a
	// change (RFC 7240, "Prefer: wait"), so a revocation is known here as soon as
	// the CRL is made. File is a file that `postern crl-sync` keeps up to date.
	// Exactly one of the two must be set.
	URL  string
	File string
	// MaxSilence is how long URL may fail to answer before every status counts as
	// unknown; 0: until a CRL expires, by default after a day.
	MaxSilence time.Duration
	// ChainURL, for example http://pki.example.com/pki/chain.pem, makes new issuing
	// CAs acceptable without a restart, if they were signed by the CA above one of
	// those in CAs, for the same trust domain, and if their CRL is in the bundle.
	// If it is empty, CAs does not change.
	ChainURL string
	Client   *http.Client     // nil: one with its own connections
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: none

	once    sync.Once
	ready   chan struct{} // closed once there is a bundle
	loaded  sync.Once
	current atomic.Pointer[followed]

	// Of the goroutine that follows.
	strange    []byte // the newest bundle, if it has CRLs of CAs that may be learned
	chainAsked time.Time
}

// followed is the current bundle, and when URL last confirmed it.
type followed struct {
	lists bundle
	heard time.Time
}

// Run keeps the CRLs up to date until ctx is done, and returns the error of ctx. If
// a required field is not set, it returns another error at once.
func (c *CRLs) Run(ctx context.Context) error {
	switch {
	case c.CAs == nil, (c.URL == "") == (c.File == ""):
		return errors.New("CRLs: the CAs and one of URL and File are required")
	case c.MaxSilence < 0, c.MaxSilence > 0 && c.File != "":
		return errors.New("CRLs: MaxSilence is negative, or set for a file, which cannot be silent")
	case c.File != "":
		return c.followFile(ctx)
	}
	return c.followURL(ctx)
}

// Wait waits for the first bundle, or returns the error of ctx. A service that
// fails closed should call it before it accepts connections.
func (c *CRLs) Wait(ctx context.Context) error {
	select {
	case <-c.whenReady():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the CRLs: %w", ctx.Err())
	}
}

func (c *CRLs) whenReady() chan struct{} {
	c.once.Do(func() { c.ready = make(chan struct{}) })
	return c.ready
}

// Status implements [Revocation]. A listed certificate is refused even after the
// list has expired: later revocations are then unknown, but earlier ones are not
// forgotten.
func (c *CRLs) Status(_ context.Context, chain Chain) error {
	known := c.current.Load()
	if known == nil {
		return unavailable("there is no CRL yet", nil)
	}
	now := c.now()
	stale := ""
	if c.URL != "" && c.MaxSilence > 0 && now.Sub(known.heard) > c.MaxSilence {
		stale = "the source of CRLs has been silent since " + known.heard.UTC().Format(time.RFC3339)
	}
	subject, by := chain.Leaf, append([]*x509.Certificate{chain.Issuer}, chain.Above...)
	for level, ca := range by {
		list := known.lists[crlfile.ID(ca)]
		if list == nil {
			stale = "there is no CRL of " + ca.Subject.String()
			subject = ca
			continue
		}
		if err := list.check(subject); err != nil {
			if level > 0 {
				return &Error{Code: CodeIssuerRevoked, Message: "the CA that issued it was revoked", Err: err}
			}
			return err
		}
		if list.LapsedAt(now) {
			stale = "the CRL of " + ca.Subject.String() + " expired at " + list.NextUpdate.UTC().Format(time.RFC3339)
		}
		subject = ca
	}
	if stale != "" {
		return unavailable(stale, nil)
	}
	return nil
}

// take makes data what is known, or returns why it must not be.
func (c *CRLs) take(data []byte) error {
	var before bundle
	if known := c.current.Load(); known != nil {
		before = known.lists
	}
	now := c.now()
	lists, strangers, err := c.CAs.widest().readBundle(data, before, now)
	if err != nil {
		return fmt.Errorf("a new CRL bundle is rejected: %w", err)
	}
	c.strange, c.chainAsked = nil, time.Time{}
	if strangers > 0 && c.ChainURL != "" {
		c.strange = data
	}
	c.current.Store(&followed{lists, now})
	c.loaded.Do(func() { close(c.whenReady()) })
	return nil
}

// confirm notes that what is known is still the newest.
func (c *CRLs) confirm() {
	if known := c.current.Load(); known != nil {
		c.current.Store(&followed{known.lists, c.now()})
	}
}

func (c *CRLs) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *CRLs) log() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.New(slog.DiscardHandler)
}
