// Package systemd tells the service manager what state a service is in. Without a
// service manager it does nothing, and it does not read the environment itself.
package systemd

import (
	"fmt"
	"net"
)

// Notify tells systemd what state the service is in (sd_notify(3)), if systemd
// started it: socket is $NOTIFY_SOCKET, "" if it did not.
func Notify(socket, state string) error {
	if socket == "" {
		return nil
	}
	if socket[0] == '@' { // the abstract namespace
		socket = "\x00" + socket[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}
