package ca

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// serverAgain is when the next try comes of a server that has no valid certificate.
const serverAgain = time.Second

// ServerKeys holds a server's key and certificate in memory, and creates new ones
// when a third of their lifetime is left, or when they turn out to be dated in the future.
type ServerKeys struct {
	Authority *Authority
	Profile   ServerProfile
	// Signed puts a new certificate on record; one with an error is not used. nil: none is kept.
	Signed func(*x509.Certificate) error
	Log    *slog.Logger // nil: slog.Default()

	renewing sync.Mutex
	present  atomic.Pointer[served]
}

// served is what a server shows: a certificate, which is nil if none was made yet,
// and why the last try to make its successor failed.
type served struct {
	certificate *tls.Certificate
	err         error
	triedAt     time.Time
	renewAt     time.Time
}

// isFresh reports whether there is nothing to make at now: it is early, and the last
// try was not made in what turned out to be the future.
func (c *served) isFresh(now time.Time) bool {
	return c != nil && now.Before(c.renewAt) && !now.Before(c.triedAt)
}

// isValid reports whether there is a certificate to be shown at now.
func (c *served) isValid(now time.Time) bool {
	return c != nil && c.certificate != nil && !now.After(c.certificate.Leaf.NotAfter) && !now.Before(c.certificate.Leaf.NotBefore)
}

// GetCertificate is for tls.Config. One caller makes a new certificate, while the others
// go on with the present one. If that fails, the present one serves until it expires, and
// the next try comes after a minute. Only without a valid one do callers wait for it.
func (s *ServerKeys) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	switch c, now := s.present.Load(), s.Authority.now(); {
	case c.isValid(now):
		if c.isFresh(now) || !s.renewing.TryLock() {
			return c.certificate, nil
		}
	default:
		s.renewing.Lock()
	}
	defer s.renewing.Unlock()
	c, now := s.present.Load(), s.Authority.now()
	if !c.isFresh(now) { // nobody else has made one since
		c = s.renew(c)
		s.present.Store(c)
	}
	if c.isValid(s.Authority.now()) {
		return c.certificate, nil
	}
	return nil, c.err
}

// renew returns a new certificate, or the old one with the error.
func (s *ServerKeys) renew(old *served) *served {
	now := s.Authority.now()
	// A client that hangs up must not cost the others their new certificate.
	made, err := s.Authority.ServerCertificate(context.Background(), s.Profile)
	if err == nil && s.Signed != nil {
		err = s.Signed(made.Leaf)
	}
	if err == nil {
		return &served{certificate: &made, triedAt: now.Truncate(time.Second), renewAt: renewAt(&made)}
	}
	// What failed may have taken long: whoever waited for it is not to wait again.
	failed := s.Authority.now()
	c := &served{err: err, triedAt: failed, renewAt: failed.Add(serverAgain)}
	if old != nil {
		c.certificate = old.certificate
	}
	if c.isValid(failed) {
		c.renewAt = failed.Add(logAgain)
		s.log().Error("renewing the server certificate failed", "error", err, "not_after", c.certificate.Leaf.NotAfter)
	}
	return c
}

func (s *ServerKeys) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

// renewAt is when two thirds of c's life are over.
func renewAt(c *tls.Certificate) time.Time {
	life := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
	return c.Leaf.NotAfter.Add(-life / 3)
}
