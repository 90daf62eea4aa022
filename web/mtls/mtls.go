package mtls

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// CodeMissing is the error code for a request without a client certificate.
const CodeMissing issuance.Code = "certificate-missing"

// Options says what the listener needs; all fields but Seen must be set.
type Options struct {
	// Check returns what is known of a client certificate whose key the client has proven
	// to have, or why it is not accepted at present: an [*issuance.Error] of kind Denied,
	// together with what is known of the certificate if Postern issued it.
	Check func(context.Context, *x509.Certificate) (issuance.Certificate, error)
	// Seen is called for each request with a certificate that Postern issued; refused is
	// empty if the request was accepted. It is called before the answer and by many
	// requests at once, so it must not block. It is not called for a refused handshake,
	// which the verifier reports. It may be nil.
	Seen func(serial issuance.Serial, refused issuance.Code)
	Log  *slog.Logger
}

// New returns the handler of the two-way TLS listener.
func New(o Options) (http.Handler, error) {
	if o.Check == nil || o.Log == nil {
		return nil, errors.New("mtls: Check and Log are needed")
	}
	l := listener{o, server.Problems{Log: o.Log}}
	router := mux.NewRouter().SkipClean(true)
	router.Use(server.Routes)
	router.Handle("/whoami", l.checked(whoAmI)).Methods(http.MethodGet, http.MethodHead)
	router.NotFoundHandler = l.checked(l.notFound)
	notAllowed := server.NotAllowed(router, false, l.problems.Write)
	router.MethodNotAllowedHandler = l.checked(func(w http.ResponseWriter, r *http.Request, _ caller) { notAllowed.ServeHTTP(w, r) })
	return router, nil
}

type listener struct {
	opts     Options
	problems server.Problems
}

// caller is the client of a request: its certificate, and what is known of it.
type caller struct {
	presented *x509.Certificate
	known     issuance.Certificate
}

// checked passes a request to do if its certificate is accepted. Otherwise the
// connection is closed after the answer: the next one is checked in the handshake.
func (l listener) checked(do func(http.ResponseWriter, *http.Request, caller)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := l.caller(r)
		if err != nil {
			w.Header().Set("Connection", "close")
			l.problems.Write(w, r, err)
			return
		}
		do(w, r, c)
	})
}

func (l listener) caller(r *http.Request) (caller, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return caller{}, &issuance.Error{
			Kind: issuance.Denied, Code: CodeMissing, Message: "no client certificate was presented",
			Hint: "configure your client with the certificate and key that you downloaded",
		}
	}
	presented := r.TLS.PeerCertificates[0]
	known, err := l.opts.Check(r.Context(), presented)
	// A use is counted here and not in the handshake: its check is made before the
	// client has proven to have the key, and anybody can show a certificate.
	if known.Serial != "" && l.opts.Seen != nil && (err == nil || issuance.KindOf(err) == issuance.Denied) {
		l.opts.Seen(known.Serial, issuance.CodeOf(err))
	}
	return caller{presented, known}, err
}

func whoAmI(w http.ResponseWriter, _ *http.Request, c caller) {
	answer := struct {
		Organization issuance.OrgID     `json:"organization"`
		Service      issuance.ServiceID `json:"service"`
		Serial       issuance.Serial    `json:"serial"`
		NotAfter     time.Time          `json:"not_after"`
		Subject      string             `json:"subject"`
		SPIFFEID     string             `json:"spiffe_id"`
	}{c.known.Organization, c.known.Service, c.known.Serial, c.known.NotAfter, c.presented.Subject.String(), spiffeID(c.presented)}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

// spiffeID returns the certificate's URI name; Postern's certificates have exactly one.
func spiffeID(c *x509.Certificate) string {
	if len(c.URIs) != 1 {
		return ""
	}
	return c.URIs[0].String()
}

func (l listener) notFound(w http.ResponseWriter, r *http.Request, _ caller) {
	l.problems.Write(w, r, &issuance.Error{
		Kind: issuance.NotFound, Code: server.CodePath,
		Message: "there is nothing at this address", Hint: "GET /whoami says who you are",
	})
}
