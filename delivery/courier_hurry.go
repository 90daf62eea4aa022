package delivery

import (
	"context"

	"github.com/postern-ca/postern/issuance"
)

// SetSender makes c use s from now on, after a change of settings. Messages that
// are being sent stay with the previous sender. The caller should then call Hurry.
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

// Hurry is like Wake, but also makes a paused channel try at once, because the
// problem may be fixed. It never blocks.
func (c *Courier) Hurry() {
	select {
	case c.hurry <- struct{}{}:
	default: // it will try anyway
	}
	c.Wake()
}

// Follow begins to watch the notice with id. It returns a function that waits until
// the notice has been tried and settled, or until the channel is paused (then it
// may not have been tried), or until ctx ends. The caller must call the function
// once.
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
