package crlsync

import (
	"errors"
	"fmt"

	"github.com/postern-ca/postern/ca/crlfile"
)

// The reasons of failures in addition to the codes of package crlfile: a label of the
// metrics, also used in the log and by the webhook.
const (
	reasonUnreachable = "unreachable" // nobody answers, or the answer breaks off
	reasonSlow        = "slow"        // the answer did not come in time
	reasonStatus      = "status"      // it is an error of HTTP
	reasonTooLarge    = "too-large"
	reasonCA          = "ca-file" // the file with the root cannot be read
	reasonDisk        = "disk"    // the file cannot be read or replaced
	reasonMount       = "mount"   // the file is mounted alone, here or where it is read
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
	if code := crlfile.CodeOf(err); code != "" {
		return string(code)
	}
	return reasonOther
}

// hint says what to do about a file that package crlfile refuses, "" for other failures.
func hint(err error) string {
	switch crlfile.CodeOf(err) {
	case crlfile.CodeRubbish:
		return "fetch it again; if it stays the same, a proxy may be answering instead of Postern"
	case crlfile.CodeIssuer, crlfile.CodeSignature:
		return "check that the root belongs to this Postern, and that the CA certificates are up to date"
	case crlfile.CodeFuture, crlfile.CodeLapsed:
		return "check the clocks of this machine and of Postern, and Postern's log"
	case crlfile.CodeOlder:
		return "an old CRL is being served, or Postern was restored from a backup; if it was restored, move the file away once"
	case crlfile.CodeCritical:
		return "use the complete CRL; a partial CRL is not enough"
	case crlfile.CodeAnchors:
		return "use one self-signed root in PEM, and issuing CAs signed by it or by each other"
	case crlfile.CodeMissing, crlfile.CodeTwice:
		return "see Postern's log for why its CRLs are not complete"
	}
	return ""
}
