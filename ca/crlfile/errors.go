package crlfile

import (
	"fmt"

	"github.com/postern-ca/postern/issuance"
)

// The codes of why a file is refused, all of kind [issuance.Invalid].
const (
	CodeRubbish   issuance.Code = "crl-rubbish"   // not PEM from its first octet to its last: cut, or something else
	CodeIssuer    issuance.Code = "crl-issuer"    // of a CA that the anchors do not have
	CodeSignature issuance.Code = "crl-signature" // not signed by the CA that it names
	CodeMissing   issuance.Code = "crl-missing"   // a level of the chain has none
	CodeTwice     issuance.Code = "crl-twice"     // a level of the chain has more than one
	CodeFuture    issuance.Code = "crl-future"    // it begins later than now
	CodeLapsed    issuance.Code = "crl-lapsed"    // its nextUpdate is past, or it has none
	CodeOlder     issuance.Code = "crl-older"     // a newer one of the same CA was here already
	CodeCritical  issuance.Code = "crl-critical"  // it has a critical extension, which changes what it says
	CodeAnchors   issuance.Code = "crl-anchors"   // the CA certificates themselves are not sound
)

// refuse returns an error with the code and what to do about it.
func refuse(code issuance.Code, format string, a ...any) error {
	return &issuance.Error{Kind: issuance.Invalid, Code: code, Message: fmt.Sprintf(format, a...), Hint: hint(code)}
}

func hint(code issuance.Code) string {
	switch code {
	case CodeRubbish:
		return "fetch it again; if it stays so, a proxy may be answering instead of Postern"
	case CodeIssuer, CodeSignature:
		return "check that the root is the one of this Postern, and that the CA certificates are up to date"
	case CodeFuture, CodeLapsed:
		return "check the clocks of this machine and of Postern, and Postern's log"
	case CodeOlder:
		return "somebody serves an old list, or Postern was restored from a backup; in the latter case move the file away once"
	case CodeCritical:
		return "use the complete list; one of a part of the certificates cannot stand alone"
	case CodeAnchors:
		return "give one self-signed root in PEM, and issuing CAs that it or each other signed"
	}
	return "Postern's log tells why its CRLs are not complete"
}
