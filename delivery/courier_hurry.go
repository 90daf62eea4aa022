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
	c.senders++
}

// via returns the present sender, and its number.
func (c *Courier) via() (Sender, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sender, c.senders
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
// the notice has been tried by the present sender or a later one and settled, or until
// that pauses the channel (then it may not have been tried), or until ctx ends. The
// caller must call the function once.
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

// again has what a replaced sender was refused meanwhile tried by the present one:
// when that was set, these messages were on their way, and not to be hastened.
func (c *Courier) again(ctx context.Context) {
	if err := c.Registrar.Hasten(context.WithoutCancel(ctx), c.Channel); err != nil {
		c.Log.Error("hastening what a previous sender was refused", "error", err)
	}
	c.Hurry()
}

// tell tells those who follow id, or everybody if the channel is paused. It tells
// nobody, and returns false, if the sender with number was replaced while it was
// refused what is to be retried: that says nothing of the present one.
func (c *Courier) tell(id issuance.NoticeID, paused, retried bool, number int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if retried && number != c.senders {
		return false
	}
	for tried, followed := range c.followers {
		if paused || followed == id {
			close(tried)
			delete(c.followers, tried)
		}
	}
	return true
}
