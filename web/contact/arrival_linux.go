package contact

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The states of a TCP connection that matter here (tcp_states.h of Linux).
const (
	tcpClose     = 7
	tcpCloseWait = 8 // the peer has sent its FIN
)

// look asks the kernel how far the bytes written to raw have come. A peer that
// goes away with bytes unread resets the connection (RFC 2525, section 2.17).
func look(raw syscall.RawConn) traffic {
	t := broken // a connection that is gone
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		// SIOCOUTQ counts what the peer has not acknowledged.
		unacknowledged, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		switch {
		case err != nil || info.State == tcpClose:
			t = broken
		case unacknowledged > 0:
			t = underway
		case info.State == tcpCloseWait:
			t = closed
		default:
			t = taken
		}
	})
	return t
}
