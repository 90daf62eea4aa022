package delivery

import (
	"context"
	"slices"
	"sync"
)

// outboxSize is how many messages an Outbox keeps.
const outboxSize = 200

// Outbox is a Sender for trying out Postern: it accepts every message and keeps the
// last 200, only in memory, for a page that shows them. Anyone who sees that page
// knows every secret, so it must not be used in production.
type Outbox struct {
	mu       sync.Mutex
	messages []Message // the oldest first
}

// Send keeps m. It never returns an error.
func (o *Outbox) Send(_ context.Context, m Message) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.messages) == outboxSize {
		o.messages = slices.Delete(o.messages, 0, 1)
	}
	o.messages = append(o.messages, m)
	return "", nil
}

// Check reports that there is no provider to sign in to.
func (o *Outbox) Check(context.Context) (string, error) {
	return "messages are shown on the outbox page", nil
}

// Messages returns the sent messages, the newest first.
func (o *Outbox) Messages() []Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := slices.Clone(o.messages)
	slices.Reverse(out)
	return out
}
