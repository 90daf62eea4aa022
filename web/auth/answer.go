package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// The codes of a refusal that is not about the certificate's standing; those are
// whatever Options.Check gives. All have the kind Denied but CodeRegister, which
// is Unavailable.
const (
	CodeMissing   issuance.Code = "certificate-missing"   // 401: none was presented
	CodeMalformed issuance.Code = "certificate-malformed" // not what the format is
	CodeAmbiguous issuance.Code = "certificate-ambiguous" // two of them
	CodeTooLong   issuance.Code = "certificate-too-long"  // longer than maxHeader
	CodeProxy     issuance.Code = "proxy-unknown"         // the proxy has not proven who it is
	CodeUpstream  issuance.Code = "upstream-unknown"      // the proxy named none of its upstreams

	CodeDisabled issuance.Code = "service-disabled" // the certificate stands, its service was disabled

	CodeOrganization issuance.Code = "organization-refused" // not at this upstream
	CodeService      issuance.Code = "service-refused"
	CodeEnvironment  issuance.Code = "environment-refused"

	CodeRegister issuance.Code = "register-unavailable" // 503
)

// The headers of an answer. One that is not set was not known: a proxy must not
// leave its client's in place.
const (
	VerifiedHeader     = "Postern-Verified" // "certificate", or "none" where an upstream asks for none
	OrganizationHeader = "Postern-Organization"
	ServiceHeader      = "Postern-Service"
	SerialHeader       = "Postern-Serial"
	SPIFFEHeader       = "Postern-Spiffe-Id"
	EnvironmentHeader  = "Postern-Environment"
	RefusalHeader      = "Postern-Refusal" // the code, where the answer is not 200
)

// fixed are header values that are the same in every answer: one slice each instead
// of one for each request. They must not be changed.
type fixed struct{ noBody, noStore, none, certificate []string }

func newFixed() *fixed {
	return &fixed{[]string{"0"}, []string{"no-store"}, []string{"none"}, []string{"certificate"}}
}

// write sets the headers: their names are in canonical form, and their values in one array.
func (v verdict) write(h http.Header, fixed *fixed) {
	h["Content-Length"] = fixed.noBody
	if v.known.Serial == "" {
		h[VerifiedHeader] = fixed.none
		return
	}
	h[VerifiedHeader] = fixed.certificate
	all := [...]string{
		string(v.known.Organization), string(v.known.Service), string(v.known.Serial),
		string(v.environment), v.spiffeID,
	}
	for i, name := range [...]string{OrganizationHeader, ServiceHeader, SerialHeader, EnvironmentHeader, SPIFFEHeader} {
		if name != SPIFFEHeader || v.spiffeID != "" {
			h[name] = all[i : i+1 : i+1]
		}
	}
}

// refuse answers 401 if there was no certificate, 403 if there was a reason, and
// 503 if nobody could tell. A proxy may hand the answer on to its client, so
// what is known of the certificate is not in it.
func (a *Auth) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*issuance.Error](err)
	if !ok || e.Kind != issuance.Denied {
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			return
		}
		a.opts.Log.Error("a client certificate could not be checked", "request", w.Header().Get(server.RequestIDHeader), "error", err)
		e = &issuance.Error{
			Kind: issuance.Unavailable, Code: CodeRegister, Message: "the certificate could not be checked",
			Hint: "try again in a moment",
		}
	}
	if e.Code == CodeProxy {
		a.opts.Log.Warn("a proxy was refused", "request", w.Header().Get(server.RequestIDHeader), "from", r.RemoteAddr,
			"reason", e.Message)
		if a.opts.Refused != nil {
			a.opts.Refused(w, r, e)
		}
	}
	status := server.StatusOf(e)
	if e.Code == CodeMissing {
		status = http.StatusUnauthorized
		// RFC 9110, section 15.5.2, wants a challenge, and no registered scheme is about TLS.
		w.Header().Set("WWW-Authenticate", `Certificate realm="postern"`)
	}
	w.Header().Set(RefusalHeader, string(e.Code))
	a.problems.WriteStatus(w, status, e)
}

func denied(code issuance.Code, message, hint string) *issuance.Error {
	return &issuance.Error{Kind: issuance.Denied, Code: code, Message: message, Hint: hint}
}

// hintProxy is for people who run the proxy: what is wrong is not their client's.
const hintProxy = "tell the operator of the proxy: it must set the header itself, " +
	"in the format configured in Postern's auth.callers"

func errMalformed(what string) *issuance.Error {
	return denied(CodeMalformed, "the header with the client certificate is not in the configured format: "+what, hintProxy)
}

func errSecond() *issuance.Error {
	return denied(CodeAmbiguous, "two client certificates were presented", hintProxy)
}
