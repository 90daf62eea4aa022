package crlfile

import (
	"errors"
	"fmt"
)

// Code is a stable name for the reason why a file is refused.
type Code string

// The codes.
const (
	CodeRubbish   Code = "crl-rubbish"   // not PEM from its first byte to its last: truncated, or something else
	CodeIssuer    Code = "crl-issuer"    // of a CA that is not among the anchors
	CodeSignature Code = "crl-signature" // not signed by the CA that it names
	CodeMissing   Code = "crl-missing"   // a level of the chain has none
	CodeTwice     Code = "crl-twice"     // a level of the chain has more than one
	CodeFuture    Code = "crl-future"    // its thisUpdate is in the future
	CodeLapsed    Code = "crl-lapsed"    // its nextUpdate is past, or it has none
	CodeOlder     Code = "crl-older"     // a newer one of the same CA was already here
	CodeCritical  Code = "crl-critical"  // it has a critical extension, which changes what it says
	CodeAnchors   Code = "crl-anchors"   // the CA certificates themselves are not valid
)

// Error says why a file is refused.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// CodeOf returns the code of the first [*Error] in err's chain, "" if there is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

func refuse(code Code, format string, a ...any) error {
	return &Error{code, fmt.Sprintf(format, a...)}
}
