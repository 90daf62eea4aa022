package mtls

// Code is a stable name for the reason why a client is refused.
type Code string

// The codes of a refusal.
const (
	CodeMissing Code = "certificate-missing" // none was presented

	// Who issued it.
	CodeForeign       Code = "issuer-foreign"  // by none of our issuing CAs
	CodeSelfSigned    Code = "self-signed"     // by itself
	CodeLongChain     Code = "chain-too-long"  // by a CA below ours
	CodeIssuerName    Code = "issuer-name"     // our key identifier under another name
	CodeIssuerKey     Code = "issuer-key"      // our name with another key identifier, or none
	CodeSignature     Code = "signature"       // our name and key identifier, not our signature
	CodeWeakHash      Code = "weak-hash"       // signed with SHA-1, MD5 or another algorithm that is not ours
	CodeIssuerTime    Code = "issuer-time"     // the CA's own certificate has expired, or is not valid yet
	CodeIssuerRevoked Code = "issuer-revoked"  // the CA's own certificate was revoked
	CodeChain         Code = "chain"           // the standard library finds no valid chain
	CodeConstraints   Code = "name-constraint" // a name that the CA may not issue

	// What it is. Ours are none of these, whoever signed them.
	CodeVersion    Code = "version"              // not X.509 version 3
	CodeSerial     Code = "serial"               // not positive, or longer than 20 bytes
	CodeNoBasic    Code = "no-basic-constraints" // does not say that it is no CA
	CodeIsCA       Code = "is-ca"                // CA:TRUE
	CodePathLength Code = "path-length"          // a path length, which only CAs have
	CodeCertSign   Code = "cert-sign"            // keyCertSign or cRLSign
	CodeKeyUsage   Code = "key-usage"            // anything but digitalSignature
	CodeNoUsage    Code = "no-extended-usage"    // no extended key usage
	CodeAnyUsage   Code = "any-usage"            // anyExtendedKeyUsage
	CodeNoClient   Code = "no-client-auth"       // extended key usages without clientAuth
	CodeOtherUsage Code = "other-usage"          // clientAuth and others
	CodeExtension  Code = "ca-extension"         // an extension that only CAs have
	CodeCritical   Code = "critical-extension"   // a critical one that is not understood
	CodeKey        Code = "weak-key"             // a key that is never certified

	// Whose it is.
	CodeNames       Code = "names"        // not one URI and no other name
	CodeSPIFFE      Code = "spiffe-id"    // the URI is not a SPIFFE ID of a service
	CodeTrustDomain Code = "trust-domain" // of another trust domain
	CodeSubject     Code = "subject"      // subject and SPIFFE ID do not agree
	CodeNotAllowed  Code = "not-allowed"  // the rules do not let this caller in

	// Whether it is valid.
	CodeValidity    Code = "validity" // ends before it begins
	CodeEarly       Code = "early"    // it is not valid yet
	CodeExpired     Code = "expired"  // it has expired
	CodeHeld        Code = "held"     // on hold; may be released
	CodeRevoked     Code = "revoked"  // permanently
	CodeUnknown     Code = "unknown"  // not in the register
	CodeDisabled    Code = "disabled" // it is valid, but its service is disabled; only [Auth] knows
	CodeUnavailable Code = "status-unavailable"
)

// Error says why a client is refused. Message is for the service's log;
// [Verifier.Handler] tells the client less.
type Error struct {
	Code    Code
	Message string
	Err     error // the cause, if another error is
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refuse(code Code, message string) error { return &Error{Code: code, Message: message} }

// unavailable says that the status cannot be told, because of err.
func unavailable(message string, err error) error {
	return &Error{Code: CodeUnavailable, Message: message, Err: err}
}
