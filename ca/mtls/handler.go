package mtls

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
)

// Handler passes a request on to next if the client's certificate is valid at this
// moment, whatever it was at the handshake; next gets the caller from [CallerFrom].
// Other requests are answered with a problem document (RFC 9457) that says in one
// line what to do, but not which check has failed. The connection is then closed,
// so the next one is checked at its handshake. The status is 403, or 503 if the
// certificate's status is unknown.
//
// The certificate is the one of the connection itself, never of a header: behind a
// proxy that terminates TLS, let the proxy do the check instead.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var presented []*x509.Certificate
		if r.TLS != nil {
			presented = r.TLS.PeerCertificates
		}
		ctx, cancel := context.WithTimeout(r.Context(), lookUpLimit)
		caller, err := v.Check(ctx, presented)
		cancel()
		if err != nil {
			v.logRefusal(presented, err, "request")
			writeProblem(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

// problem is a problem document.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// problemOf says what a client may know: what its own people can fix.
func problemOf(err error) problem {
	code := CodeUnavailable
	if refusal, ok := errors.AsType[*Error](err); ok {
		code = refusal.Code
	}
	forbidden := func(code, detail string) problem {
		return problem{http.StatusText(http.StatusForbidden), http.StatusForbidden, code, detail}
	}
	switch code {
	case CodeMissing:
		return forbidden("certificate-missing", "configure your client with its certificate and key")
	case CodeEarly:
		return forbidden("certificate-early", "the certificate is not valid yet: wait, or check the clocks")
	case CodeExpired:
		return forbidden("certificate-expired", "the certificate has expired: ask for a new one")
	case CodeHeld:
		return forbidden("certificate-held", "the certificate is on hold: ask the people who issued it")
	case CodeRevoked:
		return forbidden("certificate-revoked", "the certificate was revoked: ask for a new one")
	case CodeDisabled:
		return forbidden("service-disabled", "your service is disabled: ask the people who issued the certificate")
	case CodeNotAllowed:
		return forbidden("not-allowed", "you are not allowed to use this service")
	case CodeUnavailable:
		return problem{
			http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable,
			"status-unavailable", "the certificate cannot be checked right now: try again later",
		}
	}
	return forbidden("certificate-refused", "use the certificate that was issued to you for this service")
}

func writeProblem(w http.ResponseWriter, err error) {
	p := problemOf(err)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close")
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}
