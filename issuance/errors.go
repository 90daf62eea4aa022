package issuance

import (
	"errors"
	"strconv"
	"time"
)

// Kind is what a caller can do about an error.
type Kind int

// The kinds of error. Any error that is not an [*Error] is internal: users are only
// told that, and the log has the details.
const (
	Internal    Kind = iota // nothing; it is ours
	Invalid                 // correct the input
	NotFound                // look for something else
	Conflict                // the state does not allow it
	Denied                  // not with these credentials
	Limited                 // later: too many tries
	Unavailable             // try later: a part that is needed is not available
)

func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case NotFound:
		return "not found"
	case Conflict:
		return "conflict"
	case Denied:
		return "denied"
	case Limited:
		return "limited"
	case Unavailable:
		return "unavailable"
	}
	return "internal"
}

// Code is a stable name for what went wrong. It is the key of the message that
// people read in their language, and the last part of a problem document's type.
type Code string

// The codes that callers tell apart. Input errors all have CodeInvalid and a Field.
const (
	CodeInvalid         Code = "invalid"
	CodeNotFound        Code = "not-found"
	CodeState           Code = "state"             // the verb is not allowed in this state
	CodeLink            Code = "link"              // unknown, expired or used: the same to a stranger
	CodeLinkExpired     Code = "link-expired"      // to the browser that opened it while it was valid
	CodeWrongCode       Code = "wrong-code"        // counted
	CodeMalformed       Code = "malformed-code"    // not eight digits; not counted
	CodeExpired         Code = "code-expired"      // it was correct, but has expired
	CodeSpent           Code = "code-spent"        // five wrong tries: ask for a new one
	CodeNone            Code = "no-code"           // none was sent yet
	CodeLocked          Code = "locked"            // ten wrong tries: staff unlock it
	CodeCooldown        Code = "cooldown"          // a new code too soon
	CodeDailyLimit      Code = "daily-limit"       // too many new codes today
	CodeDelayed         Code = "provider-down"     // the last code is still on its way
	CodeClaimed         Code = "already-claimed"   // from another browser
	CodeCancelled       Code = "cancelled"         // cancelled by staff
	CodeWindow          Code = "window-closed"     // the claim window has closed
	CodeSession         Code = "no-session"        // enter the code first
	CodeBusy            Code = "busy"              // all processors are making keys
	CodeClock           Code = "clock"             // the clock ran backwards
	CodeUnapproved      Code = "unapproved"        // what was approved has changed, or the approval has ended
	CodeFourEyes        Code = "four-eyes"         // the requester may not approve
	CodeCoolingOff      Code = "cooling-off"       // the phone number has changed recently
	CodeUnauthenticated Code = "unauthenticated"   // no token, or not a valid one
	CodeRole            Code = "role"              // the token's role does not allow it
	CodeSeveral         Code = "several"           // the input matches more than one record
	CodeReused          Code = "idempotency-reuse" // same key, other request
	CodeCSR             Code = "csr"               // the CSR is refused
	CodeRenewalOff      Code = "renewal-off"       // certificates do not renew themselves
	CodeRenewalEarly    Code = "renewal-early"     // not yet
	CodeRenewalLate     Code = "renewal-late"      // it has expired
	CodeDuplicate       Code = "duplicate"         // it is already open, or already exists
	CodeRenewed         Code = "renewed"           // by a certificate for another key
	CodeRecounted       Code = "recounted"         // more, or fewer, than whoever asks was told of
)

// Error is an error that people can act on.
type Error struct {
	Kind    Kind
	Code    Code
	Field   string        // the input at fault, in snake_case; empty if none
	Message string        // what happened
	Hint    string        // what to do next, in words
	Next    Next          // the verb that does it, if there is one
	Retry   time.Duration // when to try again, if Kind is Limited or Unavailable; 0 if unknown
	Left    int           // tries left, if Code is CodeWrongCode
}

func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

// Is makes errors.Is(err, ErrNotFound) true for every error of kind NotFound,
// and so for each sentinel that has a kind and no code of its own.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && (t.Code == "" || t.Code == e.Code)
}

// ErrSealed says that a secret is there, and does not open: its key is not that which
// the server has, or it was changed.
var ErrSealed = errors.New("the sealed secret cannot be opened")

// ErrNotFound is what a Store's look-ups return, wrapped or not, for a record that
// does not exist.
var ErrNotFound = &Error{
	Kind: NotFound, Code: CodeNotFound, Message: "no such record",
	Hint: "check the spelling, or list the records",
}

// Invalidf returns an input error for field: what is wrong, and what to do.
func Invalidf(field, message, hint string) *Error {
	return &Error{Kind: Invalid, Code: CodeInvalid, Field: field, Message: message, Hint: hint}
}

// Next is what can be done about an error: a verb and its object. The outermost
// layer puts it into words: the command line as a command, a page as a link, the
// API as a request.
type Next struct {
	Verb Verb
	Noun Noun
	ID   string // of the one it is done to; "" for any
}

// NoSuch says that there is no noun with id.
func NoSuch(noun Noun, id string) *Error {
	return &Error{
		Kind: NotFound, Code: CodeNotFound, Message: "there is no " + noun.word() + " " + Quoted(id),
		Hint: "check the spelling, or list those that exist", Next: Next{Verb: ListVerb, Noun: noun},
	}
}

// KindOf returns the kind of the first [*Error] in err's chain, Internal if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// CodeOf returns the code of the first [*Error] in err's chain, "" if there is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// clip shortens s to n runes, so that an error or a log line stays one line.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}

// TriesLeft says how many tries are left.
func (e *Error) TriesLeft() string {
	if e.Left == 1 {
		return "1 try left"
	}
	return strconv.Itoa(e.Left) + " tries left"
}
