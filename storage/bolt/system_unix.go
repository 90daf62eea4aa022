//go:build linux || darwin || freebsd

package bolt

import (
	"fmt"
	"os"
	"syscall"
)

// freeSpace returns what a user without privileges may still write below dir, in octets.
func freeSpace(dir string) (uint64, error) {
	var f syscall.Statfs_t
	if err := syscall.Statfs(dir, &f); err != nil {
		return 0, fmt.Errorf("asking how much space is free: %w", err)
	}
	return uint64(max(0, int64(f.Bavail))) * uint64(f.Bsize), nil
}

// unlock gives back the lock on f: closing f does not, as long as it is mapped.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
