package delivery

import (
	"log/slog"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Status is the status of a channel.
type Status struct {
	Paused       bool      // the account or settings must be fixed; notices wait, none is lost
	Since        time.Time // when it was paused
	Reason       string    // for staff: what to fix; no secrets
	FailingSince time.Time // when the first try since the last acceptance failed, or zero
	LastError    string    // of the last of those tries; no secrets
	LastAccepted time.Time // zero if there was none since the start
	Accepted     uint64    // messages that the provider has accepted since the start
	Retried      uint64    // failed tries that will be repeated
	Failed       uint64    // messages that were given up at once
}

// Status returns the current status of the channel. It does not read the store.
func (c *Courier) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// record keeps the channel's status and writes the log: one line a try, and one
// when the channel is paused or goes on. Neither number nor address is in it.
func (c *Courier) record(d issuance.Dispatch, out issuance.Outcome) {
	log := c.Log.With("message", string(d.Notice.ID), "kind", string(d.Notice.Kind), "order", string(d.Order.ID),
		"attempt", d.Notice.Attempts)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.failing(out, c.Now())
	if out.Uncharged {
		c.status.Retried++
		if !c.status.Paused {
			c.status.Paused, c.status.Since, c.status.Reason = true, c.Now(), out.Err.Error()
			log.Error("channel paused", "error", out.Err)
		}
		return
	}
	switch {
	case out.Err == nil:
		c.status.Accepted++
		c.status.LastAccepted = c.Now()
		log.Info("message accepted", "provider_id", out.ProviderID)
	case out.Permanent:
		c.status.Failed++
		log.Error("message refused", "error", out.Err)
	default:
		c.status.Retried++
		log.Warn("message not accepted yet", "error", out.Err, "again_in", out.RetryAfter)
		return // whether the account is in order again is not known
	}
	c.status.resume(c.Log)
}

// resume ends a pause, and failures: the account and its settings are in order again.
func (c *Courier) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.failing(issuance.Outcome{}, c.Now())
	c.status.resume(c.Log)
}

func (s *Status) resume(log *slog.Logger) {
	if s.Paused {
		s.Paused, s.Reason = false, ""
		log.Info("channel resumed", "paused_since", s.Since)
	}
}

// failing notes since when nothing was accepted. A message that is refused by
// itself says nothing of the channel.
func (s *Status) failing(out issuance.Outcome, now time.Time) {
	switch {
	case out.Err == nil:
		s.FailingSince, s.LastError = time.Time{}, ""
	case !out.Permanent:
		if s.LastError = out.Err.Error(); s.FailingSince.IsZero() {
			s.FailingSince = now
		}
	}
}
