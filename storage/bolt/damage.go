package bolt

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// CodeDamaged is the code of errors caused by a file that is not as it was written.
const CodeDamaged issuance.Code = "database-damaged"

// damagedError is what people read about the file at path.
func damagedError(path, what, todo string) error {
	return &issuance.Error{
		Kind: issuance.Unavailable, Code: CodeDamaged, Message: "the database " + filepath.Base(path) + " " + what, Hint: todo,
	}
}

// What to do about a file that cannot be opened, and about one that is damaged while it is served.
const (
	hintRestore = "keep the file, check the disk, and restore the database from a backup; " +
		"a new database would forget every revocation"
	hintRunning = "nothing is written any more; stop the server, keep the file, check the disk, " +
		"and restore the database from a backup"
)

// caught is deferred around what reads the file through bbolt, with an error to
// be set. bbolt maps the file into memory and believes it: a damaged page makes it
// panic, and one that cannot be read is a memory fault, which ends the process
// unless the goroutine asks for a panic instead (that is old, as it was before).
// If that happened, caught writes no more to the file and sets err; other panics
// go on. ended says that the function returned.
func (s *Store) caught(ended *bool, old bool, err *error) {
	debug.SetPanicOnFault(old)
	if *ended || !ofTheFile() {
		return
	}
	*err = s.damage(recover())
}

// damage notes that the file is damaged, the first time, and returns the error of all that comes.
func (s *Store) damage(why any) error {
	err := damagedError(s.opts.Path, "is damaged", hintRunning)
	if s.damaged.CompareAndSwap(nil, &err) {
		s.opts.Log.Error("the database file is damaged: nothing is written any more", "file", s.opts.Path,
			"reason", fmt.Sprint(why))
		s.opts.Log.Debug("where the damage was found", "stack", string(debug.Stack()))
	}
	return *s.damaged.Load()
}

// ofTheFile reports, in a deferred function of a panic, whether the panic is a
// memory fault, or bbolt's own.
func ofTheFile() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	panicking := false
	for {
		frame, more := frames.Next()
		switch name := frame.Function; {
		case name == "runtime.panicmemAddr":
			return true
		case name == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(name, "runtime."):
			return strings.HasPrefix(name, "go.etcd.io/bbolt")
		}
		if !more {
			return false
		}
	}
}
