//go:build unix

package mark

import "syscall"

// noFollow has a link refused in the place of the file.
const noFollow = syscall.O_NOFOLLOW
