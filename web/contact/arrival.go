package contact

import (
	"context"
	"net"
	"syscall"
	"time"
)

// wireKey is the context key of a request's TCP connection.
type wireKey struct{}

// ConnContext is the value for the field of the same name in http.Server: it lets the
// site see whether a download arrived. Without it, a download counts as complete as soon
// as the operating system has taken its last byte.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, wireKey{}, c)
}

// wire returns the TCP connection of the request with ctx, under TLS or not; nil
// if there is none.
func wire(ctx context.Context) syscall.RawConn {
	c, _ := ctx.Value(wireKey{}).(net.Conn)
	for c != nil {
		if tcp, ok := c.(*net.TCPConn); ok {
			raw, err := tcp.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		}
		under, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = under.NetConn()
	}
	return nil
}

// traffic is what a TCP connection says about the bytes written to it.
type traffic int

const (
	underway traffic = iota // not all are acknowledged
	taken                   // all are acknowledged, the peer is still there
	closed                  // all are acknowledged, and the peer has closed: it wanted no more
	broken                  // the peer has reset the connection, or it timed out
	unknown                 // this system does not tell
)

const (
	// arrivalLimit is how long the last bytes may be on their way.
	arrivalLimit = time.Minute
	// closeGrace is how long a peer that has all bytes may take to close, as
	// Connection: close asks it to. One that does not is believed to be content;
	// one that was cut off resets the connection instead.
	closeGrace = 1500 * time.Millisecond
	// readGrace is how long a peer under TLS gets to read all but the last byte
	// before that is sent. Its TLS library empties the system's buffer by whole
	// records, and only what is left there makes a cut visible.
	readGrace = 50 * time.Millisecond
)

// arrived waits until everything written to the connection of ctx has arrived, and
// reports whether it has. A false negative costs little: the same session can fetch the
// same file again.
func arrived(ctx context.Context) bool {
	switch settle(ctx, closeGrace) {
	case closed, taken, unknown:
		return true
	}
	return false
}

// settle waits until the peer has closed or reset the connection of ctx, or has
// had everything for as long as grace; it returns underway if that takes too long.
func settle(ctx context.Context, grace time.Duration) traffic {
	raw := wire(ctx)
	if raw == nil {
		return unknown
	}
	start := time.Now()
	var takenAt time.Time
	for pause := time.Millisecond; ; pause = min(pause*2, 50*time.Millisecond) {
		switch t := look(raw); t {
		case closed, broken, unknown:
			return t
		case underway:
			takenAt = time.Time{}
			if time.Since(start) > arrivalLimit {
				return underway
			}
		case taken:
			if takenAt.IsZero() {
				takenAt = time.Now()
			}
			if time.Since(takenAt) > grace {
				return taken
			}
		}
		time.Sleep(pause)
	}
}
