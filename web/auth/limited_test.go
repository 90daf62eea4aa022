package auth

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestALimitedContext ends as one of context.WithDeadline does: at its time, with its
// parent, or when it is ended, whether somebody waits or not.
func TestALimitedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limited{Context: t.Context(), until: time.Now().Add(time.Second)}
		at, ok := l.Deadline()
		if !ok || !at.Equal(l.until) || l.Err() != nil {
			t.Errorf("before its end: %v %v %v", at, ok, l.Err())
		}
		<-l.Done()
		if time.Now().Before(l.until) || !errors.Is(l.Err(), context.DeadlineExceeded) {
			t.Errorf("at its end: %v", l.Err())
		}
		l.end()

		parent, cancel := context.WithCancel(t.Context())
		l = &limited{Context: parent, until: time.Now().Add(time.Hour)}
		waits := l.Done()
		cancel()
		<-waits
		if !errors.Is(l.Err(), context.Canceled) {
			t.Errorf("with its parent: %v", l.Err())
		}
		l.end()

		l = &limited{Context: t.Context(), until: time.Now().Add(time.Hour)}
		waits = l.Done()
		l.end()
		<-waits // nothing runs on

		l = &limited{Context: t.Context(), until: time.Now().Add(time.Hour)}
		l.end()
		if l.Err() != nil {
			t.Errorf("nobody waited: %v", l.Err())
		}
	})
}
