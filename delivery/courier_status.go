package delivery

import (
	"github.com/postern-ca/postern/issuance"
)

// record keeps the channel's status and writes the log: one line a try, and one
// when the channel is paused or goes on. Neither number nor address is in it.
func (c *Courier) record(d issuance.Dispatch, out issuance.Outcome) {
	log := c.Log.With("message", string(d.Notice.ID), "kind", string(d.Notice.Kind), "order", string(d.Order.ID), "attempt", d.Notice.Attempts)
	c.mu.Lock()
	defer c.mu.Unlock()
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
	if c.status.Paused {
		c.status.Paused, c.status.Reason = false, ""
		c.Log.Info("channel goes on", "paused_since", c.status.Since)
	}
}
