package delivery

import (
	"context"

	"github.com/postern-ca/postern/issuance"
)

// SetSender has what is sent from now on go by s: the settings were changed. What
// is on its way stays with the sender before. The caller should then Hurry.
func (c *Courier) SetSender(s Sender) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sender = s
}

// via returns the present sender.
func (c *Courier) via() Sender {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sender
}

// Hurry is Wake that does not let a paused channel rest either: what was wrong
// may be mended. It never blocks.
func (c *Courier) Hurry() {
	select {
	case c.hurry <- struct{}{}:
	default: // it will try anyway
	}
	c.Wake()
}

// Follow begins to watch the notice with id, and returns a function that waits
// until it was tried and settled since, or until the channel was found paused, in
// which case it may not have been tried; at most until ctx ends. The caller must
// call the function once.
func (c *Courier) Follow(id issuance.NoticeID) (wait func(ctx context.Context)) {
	tried := make(chan struct{})
	c.mu.Lock()
	c.followers[tried] = id
	c.mu.Unlock()
	return func(ctx context.Context) {
		select {
		case <-tried:
		case <-ctx.Done():
		}
		c.mu.Lock()
		delete(c.followers, tried)
		c.mu.Unlock()
	}
}

// tell tells those who follow id, or everybody if the channel is paused.
func (c *Courier) tell(id issuance.NoticeID, paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tried, followed := range c.followers {
		if paused || followed == id {
			close(tried)
			delete(c.followers, tried)
		}
	}
}
