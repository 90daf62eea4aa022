//go:build !linux

package contact

import "syscall"

// look does not know on this system: a file counts as arrived once the system
// has taken its last byte.
func look(syscall.RawConn) traffic { return unknown }
