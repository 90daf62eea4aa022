package main

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machineRun returns the name of this run of the machine, from one boot to the next,
// and for how long it has run, but for suspensions: "" if either is not known.
func machineRun() (string, time.Duration) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var since unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &since) != nil {
		return "", 0
	}
	return strings.TrimSpace(string(id)), time.Duration(since.Nano())
}
