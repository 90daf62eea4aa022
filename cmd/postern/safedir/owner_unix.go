//go:build unix

package safedir

import (
	"io/fs"
	"os"
	"syscall"
)

// ours reports whether we or root own a file.
func ours(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Geteuid())
}

// writableByOthers reports whether others than the owner may write. The group that
// has a user's own number is that user's alone, by the custom of distributions.
func writableByOthers(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	private := ok && s.Gid != 0 && int(s.Gid) == os.Geteuid()
	return info.Mode()&0o002 != 0 || info.Mode()&0o020 != 0 && !private
}
