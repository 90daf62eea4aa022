package crlsync

import (
	"errors"
	"fmt"

	"github.com/postern-ca/postern/issuance"
)

// The reasons of failures beside the codes of package crlfile: a label of the
// metrics, and what the log and the webhook say.
const (
	reasonUnreachable = "unreachable" // nobody answers, or the answer breaks off
	reasonSlow        = "slow"        // the answer did not come in time
	reasonStatus      = "status"      // it is an error of HTTP
	reasonTooLarge    = "too-large"
	reasonCA          = "ca-file" // the file with the root cannot be read
	reasonDisk        = "disk"    // the file cannot be read or replaced
	reasonLock        = "lock"    // another process holds the file for long
	reasonCheck       = "check"   // the command that checks before a reload
	reasonReload      = "reload"
	reasonAlert       = "alert" // the webhook takes nothing
	reasonOther       = "other"
)

// failure is an error with its reason.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(reason, format string, a ...any) error {
	return &failure{reason, fmt.Errorf(format, a...)}
}

// reasonOf returns the reason of an error, one of a small number.
func reasonOf(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.reason
	}
	if code := issuance.CodeOf(err); code != "" {
		return string(code)
	}
	return reasonOther
}
