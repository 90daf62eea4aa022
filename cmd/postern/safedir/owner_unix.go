//go:build unix

package safedir

import (
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"
)

// ours reports whether we or root own a file.
func ours(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Geteuid())
}

// writableByOthers reports whether others than the owner may write. Who is not root
// may share a directory with a group of their own, as volumes of containers are given.
func writableByOthers(info fs.FileInfo) bool {
	return info.Mode()&0o002 != 0 || info.Mode()&0o020 != 0 && (os.Geteuid() == 0 || !inGroup(info))
}

func inGroup(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	groups, err := os.Getgroups()
	return ok && err == nil && slices.Contains(append(groups, os.Getegid()), int(s.Gid))
}

// openToOthers reports whether others than the owner may read or write.
func openToOthers(info fs.FileInfo) bool { return info.Mode()&0o066 != 0 }

// Owner returns the number of the user that owns a file.
func Owner(info fs.FileInfo) string {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return strconv.FormatUint(uint64(s.Uid), 10)
}
