package systemd

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Reloading is the state of a service that begins to reload, as Type=notify-reload
// requires: with the time of the monotonic clock, by which systemd distinguishes this
// reload from earlier ones. READY=1 ends it.
func Reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "RELOADING=1"
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}
