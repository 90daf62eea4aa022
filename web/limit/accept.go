package limit

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Listen returns a listener whose connections are limited by l. If the system cannot
// accept a connection for the moment, for example because no file descriptors are left,
// it tries again.
func (l *Connections) Listen(on net.Listener) net.Listener {
	return &listener{Listener: on, list: l, closed: make(chan struct{})}
}

type listener struct {
	net.Listener
	list   *Connections
	once   sync.Once
	closed chan struct{}
}

// The shortest and the longest pause after an error.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Accept returns the next connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	var pause time.Duration
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause = 0
			if admitted := l.list.admit(c); admitted != nil {
				return admitted, nil
			}
			_ = c.Close() // it is refused
			continue
		case !passes(err):
			return nil, err
		}
		l.list.notAccepted(err)
		pause = min(max(2*pause, acceptPause), maxAcceptPause)
		select {
		case <-time.After(pause):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// passes reports whether accepting may succeed later.
func passes(err error) bool {
	var later interface{ Temporary() bool }
	return !errors.Is(err, net.ErrClosed) && errors.As(err, &later) && later.Temporary()
}

// notAccepted counts and logs an error. If file descriptors have run out, it closes
// quiet connections to free some.
func (l *Connections) notAccepted(err error) {
	l.mu.Lock()
	l.stats.Failed++
	failed := l.stats.Failed
	var evicted []*conn
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		evicted = l.evict(l.all, len(l.all))
		l.stats.EvictedOfAll += uint64(len(evicted))
	}
	l.mu.Unlock()
	for _, old := range evicted {
		_ = old.Conn.Close() // it is given up whatever that says
	}
	if l.Log != nil && l.failed.due(failedEvery) {
		l.Log.Error("a connection could not be accepted", "listener", l.Name, "error", err, "failed_so_far", failed)
	}
}

// How often errors and closed connections are logged, for each listener.
const (
	failedEvery = 10 * time.Second
	closedEvery = time.Minute
)

// say logs that connections were closed.
func (l *Connections) say(s ConnectionStats, from net.Addr) {
	if l.Log == nil || !l.said.due(closedEvery) {
		return
	}
	l.Log.Warn("connections are closed because a limit is reached; this is logged once a minute", "listener", l.Name,
		"idle_closed_so_far", s.EvictedOfOne+s.EvictedOfAll, "cut_so_far", s.Cut, "refused_so_far", s.RefusedOfOne+s.RefusedOfAll,
		"limit", l.Most, "limit_of_an_address", l.OfOne, "last_from", from.String())
}

// occasion is when something was last logged.
type occasion struct {
	mu   sync.Mutex
	last time.Time
}

// due reports whether it was longer than interval ago; then it is now.
func (o *occasion) due(interval time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.last.IsZero() && time.Since(o.last) < interval {
		return false
	}
	o.last = time.Now()
	return true
}
