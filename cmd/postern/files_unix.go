//go:build unix

package main

import "syscall"

// fileLimit returns how many files this process may have open, 0 if the system does
// not say. Package os has raised it from the soft to the hard limit before main.
func fileLimit() uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return uint64(l.Cur)
}
