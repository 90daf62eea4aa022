package delivery

import (
	"context"
	"slices"
	"sync"
)

// outboxSize is how many messages an Outbox keeps.
const outboxSize = 200

// Outbox is a Sender for trying the product out: it accepts every message and
// keeps the last 200, in memory alone, for a page that shows them. Whoever sees
// that page holds every secret; production has no place for it.
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

// Check returns that there is nobody to sign in at.
func (o *Outbox) Check(context.Context) (string, error) {
	return "messages end on the outbox page", nil
}

// Messages returns what was sent, the newest first.
func (o *Outbox) Messages() []Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := slices.Clone(o.messages)
	slices.Reverse(out)
	return out
}
