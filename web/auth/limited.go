package auth

import (
	"context"
	"sync"
	"time"
)

// limited is a context that ends with another, or at a time: as one that
// context.WithDeadline makes, but it costs next to nothing until somebody waits for
// its end. Whoever made it calls end once nobody looks at it any more.
type limited struct {
	context.Context
	until  time.Time
	once   sync.Once
	waited context.Context
	cancel context.CancelFunc
}

func (l *limited) Deadline() (time.Time, bool) {
	if first, ok := l.Context.Deadline(); ok && first.Before(l.until) {
		return first, true
	}
	return l.until, true
}

func (l *limited) Done() <-chan struct{} {
	l.once.Do(func() { l.waited, l.cancel = context.WithDeadline(l.Context, l.until) })
	return l.waited.Done()
}

func (l *limited) Err() error {
	if err := l.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(l.until) {
		return context.DeadlineExceeded
	}
	return nil
}

func (l *limited) end() {
	l.once.Do(func() { l.waited, l.cancel = l.Context, func() {} })
	l.cancel()
}
