package est

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/cms"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/server"
)

// prefix is where EST lives on its host (RFC 7030, section 3.2.2).
const prefix = "/.well-known/est/"

// label is what some clients put before each operation (RFC 7030, section 3.2.2), to
// choose one of several CAs. There is only one here, which every label chooses.
const label = "{label:[A-Za-z0-9._~-]{1,64}}/"

// Options says what EST needs; all but Limit must be set.
type Options struct {
	// Check returns what is known of a client certificate whose key the client has proven
	// to have, or why it is not accepted at present: an [*issuance.Error] of kind Denied.
	Check func(context.Context, *x509.Certificate) (issuance.Certificate, error)
	// Authorities returns the root and the issuing CAs in DER.
	Authorities func() [][]byte
	Enroll      func(context.Context, issuance.Enrollment) (session issuance.Secret, f issuance.File, err error)
	Reenroll    func(ctx context.Context, serial issuance.Serial, csr []byte) (issuance.File, error)
	// Refused is called with what is known of a client certificate that Check refused.
	Refused func(context.Context, issuance.Certificate, error)
	Limit   limit.Limit // of POSTs, for each address
	Now     func() time.Time
	Log     *slog.Logger
}

// EST is the handler of everything below /.well-known/est/.
type EST struct {
	Options
	limiter    *limit.Limiter
	source     limit.Source // believes no proxy: the client's TLS ends here
	attributes []byte       // the answer of csrattrs, DER
	router     *mux.Router
}

// New returns the handler, or an error that says what is missing in o. Requests must
// come over TLS that asks for a client certificate but does not require one.
func New(o Options) (*EST, error) {
	if o.Check == nil || o.Authorities == nil || o.Enroll == nil || o.Reenroll == nil || o.Refused == nil ||
		o.Now == nil || o.Log == nil {
		return nil, errors.New("est: a field of the options is not set")
	}
	attributes, err := wanted()
	if err != nil {
		return nil, err
	}
	e := &EST{Options: o, limiter: limit.New(o.Limit, o.Now), attributes: attributes, router: mux.NewRouter().SkipClean(true)}
	e.router.Use(server.Routes)
	for _, at := range []string{prefix, prefix + label} {
		get, post := []string{http.MethodGet, http.MethodHead}, http.MethodPost
		e.router.HandleFunc(at+"cacerts", e.authorities).Methods(get...)
		e.router.HandleFunc(at+"csrattrs", e.csrAttributes).Methods(get...)
		e.router.HandleFunc(at+"simpleenroll", e.limited(e.enroll)).Methods(post)
		e.router.HandleFunc(at+"simplereenroll", e.limited(e.reenroll)).Methods(post)
	}
	e.router.MethodNotAllowedHandler = server.NotAllowed(e.router, false, e.refuse)
	e.router.NotFoundHandler = http.HandlerFunc(e.notFound)
	return e, nil
}

// Before returns a handler that answers EST's paths, and leaves others to next.
func (e *EST) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			e.router.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authorities answers with root and issuing CAs (RFC 7030, section 4.1).
func (e *EST) authorities(w http.ResponseWriter, r *http.Request) {
	e.certificates(w, r, e.Authorities()...)
}

// certificates answers with a certs-only CMS.
func (e *EST) certificates(w http.ResponseWriter, r *http.Request, der ...[]byte) {
	content, err := cms.CertsOnly(der)
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	answer(w, r, "application/pkcs7-mime; smime-type=certs-only", content)
}
