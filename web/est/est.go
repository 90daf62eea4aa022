package est

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
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

// Options says what EST needs; all but Limit must be set.
type Options struct {
	// Check returns what is known of a client certificate whose key the client
	// has proven to have, or why it does not stand at this moment: an
	// [*issuance.Error] of kind Denied.
	Check func(context.Context, *x509.Certificate) (issuance.Certificate, error)
	// Authorities returns the root and the issuing CAs in DER.
	Authorities func() [][]byte
	Enroll      func(context.Context, issuance.Enrollment) (session issuance.Secret, f issuance.File, err error)
	Reenroll    func(ctx context.Context, serial issuance.Serial, csr []byte) (issuance.File, error)
	Limit       limit.Limit // of POSTs, for each address
	Now         func() time.Time
	Log         *slog.Logger
}

// EST is the handler of everything below /.well-known/est/.
type EST struct {
	Options
	limiter    *limit.Limiter
	attributes []byte // the answer of csrattrs, DER
	router     *mux.Router
}

// New returns the handler, or an error that says what o lacks. Requests must
// come over TLS that asks for a client certificate and does not demand one.
func New(o Options) (*EST, error) {
	if o.Check == nil || o.Authorities == nil || o.Enroll == nil || o.Reenroll == nil || o.Now == nil || o.Log == nil {
		return nil, errors.New("est: a field of the options is not set")
	}
	attributes, err := wanted()
	if err != nil {
		return nil, err
	}
	e := &EST{Options: o, limiter: limit.New(o.Limit, o.Now), attributes: attributes, router: mux.NewRouter().SkipClean(true)}
	e.router.Use(server.Routes)
	e.router.HandleFunc(prefix+"cacerts", e.only(http.MethodGet, e.authorities))
	e.router.HandleFunc(prefix+"csrattrs", e.only(http.MethodGet, e.csrAttributes))
	e.router.HandleFunc(prefix+"simpleenroll", e.only(http.MethodPost, e.limited(e.enroll)))
	e.router.HandleFunc(prefix+"simplereenroll", e.only(http.MethodPost, e.limited(e.reenroll)))
	e.router.NotFoundHandler = http.HandlerFunc(e.notFound)
	return e, nil
}

// Before returns a handler that answers EST's paths, and leaves others to next.
func (e *EST) Before(next http.Handler) http.Handler {
	est := server.Harden(server.DocumentPolicy, e.router)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			est.ServeHTTP(w, r)
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
	answer(w, "application/pkcs7-mime; smime-type=certs-only", content)
}

// answer sends content in base64 without line breaks, as RFC 8951, section 3,
// has it. The header that says so is superfluous by that; older clients look for it.
func answer(w http.ResponseWriter, mediaType string, content []byte) {
	text := base64.StdEncoding.EncodeToString(content)
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Transfer-Encoding", "base64")
	w.Header().Set("Content-Length", strconv.Itoa(len(text))) // some clients read no chunks
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(text)) // the client may be gone
}
