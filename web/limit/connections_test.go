package limit

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from   string
	mu     sync.Mutex
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func (c *fakeConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

// fakeListener returns what is next: connections and errors.
type fakeListener struct {
	net.Listener
	next []any
}

func (l *fakeListener) Accept() (net.Conn, error) {
	if len(l.next) == 0 {
		return nil, net.ErrClosed
	}
	next := l.next[0]
	l.next = l.next[1:]
	if c, ok := next.(*fakeConn); ok {
		return c, nil
	}
	return nil, next.(error)
}

func (l *fakeListener) Close() error { return nil }

// room is connections under test, by the names that a test gives them.
type room struct {
	t    *testing.T
	list *Connections
	all  map[string]net.Conn
	raw  map[string]*fakeConn
}

func newRoom(t *testing.T, l *Connections) *room {
	return &room{t, l, map[string]net.Conn{}, map[string]*fakeConn{}}
}

// come has a connection arrive, and reports whether it was let in.
func (r *room) come(name, from string) bool {
	r.raw[name] = &fakeConn{from: from}
	c, err := r.list.Listen(&fakeListener{next: []any{r.raw[name]}}).Accept()
	r.all[name] = c
	return err == nil
}

func (r *room) state(name string, s http.ConnState) { r.list.State(r.all[name], s) }

// closed compares which connections were closed.
func (r *room) closed(want ...string) {
	r.t.Helper()
	for name, c := range r.raw {
		found := false
		for _, w := range want {
			found = found || w == name
		}
		if c.closed != found {
			r.t.Errorf("%s is closed: %v, want %v", name, c.closed, found)
		}
	}
}

// TestTheOldestIdleConnectionIsClosedFirst, and never one that is being answered.
func TestTheOldestIdleConnectionIsClosedFirst(t *testing.T) {
	r := newRoom(t, &Connections{Most: 3})
	for _, name := range []string{"a", "b", "c"} {
		r.come(name, "192.0.2.1:1")
	}
	r.state("a", http.StateActive)
	r.state("a", http.StateIdle) // b and c have been quiet for longer
	r.state("b", http.StateActive)
	r.come("d", "192.0.2.2:1")
	r.closed("c")
	r.come("e", "192.0.2.3:1")
	r.closed("c", "a")
	for _, name := range []string{"d", "e"} {
		r.state(name, http.StateActive)
	}
	if r.come("f", "192.0.2.4:1") {
		t.Error("a fourth is let in although all are being answered")
	}
	r.closed("c", "a", "f")
	if err := r.all["b"].Close(); err != nil || !r.come("g", "192.0.2.4:1") {
		t.Errorf("there is no room after one has gone: %v", err)
	}
	_ = r.all["a"].Close() // as http.Server does afterwards
	if s := r.list.Stats(); s.Open != 3 || s.EvictedOfAll != 2 || s.RefusedOfAll != 1 {
		t.Errorf("got %+v", s)
	}
}

// TestOneAddressTakesItsOwnPlacesOnly: a /64 is one, and a trusted proxy is none.
func TestOneAddressTakesItsOwnPlacesOnly(t *testing.T) {
	r := newRoom(t, &Connections{Most: 100, OfOne: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	r.come("somebody", "192.0.2.9:1")
	for i, from := range []string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8:0:1::1]:1"} {
		r.come(string(rune('a'+i)), from)
	}
	r.closed("a")
	for _, name := range []string{"p", "q", "r"} {
		r.come(name, "10.1.2.3:1")
	}
	r.come("s", "[::ffff:10.1.2.3]:1")
	r.closed("a")
	r.state("b", http.StateActive)
	r.state("c", http.StateActive)
	if r.come("e", "[2001:db8::4]:1") {
		t.Error("a third of one address is let in")
	}
	if s := r.list.Stats(); s.Open != 8 || s.EvictedOfOne != 1 || s.RefusedOfOne != 1 || s.EvictedOfAll+s.RefusedOfAll != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestWhoHasMostGivesWay: with nothing but connections that are being answered, an
// address that has most of them loses one to another, and not to itself.
func TestWhoHasMostGivesWay(t *testing.T) {
	r := newRoom(t, &Connections{Most: 6})
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		r.come(name, "192.0.2.1:1")
		r.state(name, http.StateActive)
	}
	r.come("other", "192.0.2.2:1")
	r.state("other", http.StateActive)
	if r.come("f", "192.0.2.1:1") {
		t.Error("who has most has one more")
	}
	if !r.come("third", "192.0.2.3:1") {
		t.Error("another address is refused")
	}
	r.state("third", http.StateActive)
	if r.come("fourth", "192.0.2.4:1") {
		t.Error("an address that has four of six has to give way")
	}
	if s := r.list.Stats(); s.Cut != 1 || s.RefusedOfAll != 2 || s.Open != 6 || r.raw["other"].closed || r.raw["third"].closed {
		t.Errorf("got %+v", s)
	}
}

// TestAFloodIsNotSearchedEachTime: a sixteenth of the places is made free at once.
func TestAFloodIsNotSearchedEachTime(t *testing.T) {
	r := newRoom(t, &Connections{Most: 320})
	for i := range 321 {
		r.come(string(rune('a'+i)), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 1).String())
	}
	if s := r.list.Stats(); s.Open != 301 || s.EvictedOfAll != 20 {
		t.Errorf("got %+v", s)
	}
}

// TestAcceptErrorsAreSeenAndOutlived: they are logged as errors, though not each,
// counted, and idle connections give their files back.
func TestAcceptErrorsAreSeenAndOutlived(t *testing.T) {
	var log bytes.Buffer
	l := &Connections{Name: "public", Log: slog.New(slog.NewTextHandler(&log, nil))}
	idle, next := &fakeConn{from: "192.0.2.1:1"}, &fakeConn{from: "192.0.2.2:1"}
	none := &net.OpError{Op: "accept", Err: syscall.EMFILE}
	on := l.Listen(&fakeListener{next: []any{idle, none, none, none, next, &net.OpError{Op: "accept", Err: syscall.EINVAL}}})
	for _, want := range []*fakeConn{idle, next} {
		c, err := on.Accept()
		if err != nil || c.(*conn).Conn != net.Conn(want) {
			t.Fatalf("got %v, %v", c, err)
		}
	}
	if !idle.closed {
		t.Error("the idle connection keeps its file")
	}
	if s := l.Stats(); s.Failed != 3 || s.Open != 1 {
		t.Errorf("got %+v", s)
	}
	if got := strings.Count(log.String(), "level=ERROR"); got != 1 || !strings.Contains(log.String(), "too many open files") {
		t.Errorf("logged %d errors: %s", got, &log)
	}
	if _, err := on.Accept(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("an error that stays: %v", err)
	}
}

// TestOneOddErrorOfAcceptDoesNotEndIt: what accept(2) may say of the network, of memory,
// and of a firewall is gone a moment later.
func TestOneOddErrorOfAcceptDoesNotEndIt(t *testing.T) {
	for _, odd := range []syscall.Errno{
		syscall.ENOBUFS, syscall.ENOMEM, syscall.ENOSPC, syscall.EPERM, syscall.ENETDOWN, syscall.EHOSTUNREACH,
		syscall.EPROTO, syscall.ENETUNREACH, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.ECONNABORTED,
	} {
		l := new(Connections)
		failed := &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", odd)}
		if _, err := l.Listen(&fakeListener{next: []any{failed, &fakeConn{from: "192.0.2.1:1"}}}).Accept(); err != nil {
			t.Errorf("accepting ends: %v", err)
		} else if s := l.Stats(); s.Failed != 1 || s.Open != 1 {
			t.Errorf("%v: got %+v", odd, s)
		}
	}
	for _, forever := range []error{net.ErrClosed, syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK} {
		on := new(Connections).Listen(&fakeListener{next: []any{&net.OpError{Op: "accept", Err: forever}}})
		if _, err := on.Accept(); !errors.Is(err, forever) {
			t.Errorf("%v: got %v", forever, err)
		}
	}
}

// TestClosingEndsAPauseAfterAnError: a shutdown does not wait for it.
func TestClosingEndsAPauseAfterAnError(t *testing.T) {
	var errs []any
	for range 20 { // together they would pause for many seconds
		errs = append(errs, &net.OpError{Op: "accept", Err: syscall.ENFILE})
	}
	on := new(Connections).Listen(&fakeListener{next: errs})
	ended := make(chan error, 1)
	go func() { _, err := on.Accept(); ended <- err }()
	_ = on.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("accepting goes on")
	}
}
