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

// CRLs follows the CRLs of every CA of the hierarchy, and knows from memory what is
// revoked: a check costs no request. The caller sets the fields, and runs
// [CRLs.Run]; before it has read a first bundle no status can be told.
//
// A bundle takes effect as a whole, if all of it is valid; otherwise what was there
// stays. It is for hierarchies with up to some hundred thousand revoked
// certificates, which take about 60 bytes each.
type CRLs struct {
	CAs *CAs
	// URL of the bundle, as in http://pki.example.com/pki/crl-bundle.pem. Each
	// request for it waits for a change (RFC 7240, "Prefer: wait"), so that a
	// revocation is known here as soon as the CRL is made. File is what
	// `postern crl-sync` keeps instead. One of the two must be set.
	URL  string
	File string
	// MaxSilence is how long URL may fail to answer before the status counts as
	// unknown; 0: until a CRL lapses, a day at Postern's default.
	MaxSilence time.Duration
	// ChainURL, as in http://pki.example.com/pki/chain.pem, lets new issuing CAs in
	// without a restart: those that the CA above one of CAs' own has signed for the
	// same trust domain, and whose CRL is in the bundle. Empty: CAs stay as they are.
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

// followed is what is known, and when URL last confirmed it.
type followed struct {
	lists bundle
	heard time.Time
}

// Run follows until ctx is done, whose error it returns. It returns another error
// at once if a field is not set.
func (c *CRLs) Run(ctx context.Context) error {
	switch {
	case c.CAs == nil, (c.URL == "") == (c.File == ""):
		return errors.New("CRLs: the CAs, and one of URL and File, are needed")
	case c.MaxSilence < 0, c.MaxSilence > 0 && c.File != "":
		return errors.New("CRLs: MaxSilence is negative, or set for a file, which cannot be silent")
	case c.File != "":
		return c.followFile(ctx)
	}
	return c.followURL(ctx)
}

// Wait waits until there is a first bundle, or returns the error of ctx. A service
// that fails closed waits for it before it accepts connections.
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

// Status implements [Revocation]. What is listed is refused also when the list has
// lapsed: then nobody knows what came after it, but what was revoked is not forgotten.
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
			stale = "the CRL of " + ca.Subject.String() + " has lapsed at " + list.NextUpdate.UTC().Format(time.RFC3339)
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
		return fmt.Errorf("a new bundle of CRLs is refused: %w", err)
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
