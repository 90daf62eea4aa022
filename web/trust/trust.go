package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
)

// Document is something signed that is served unchanged. It must not be modified.
type Document struct {
	ETag       string // a strong entity tag, with its quotes
	Size       int64  // bytes that WriteTo writes
	ThisUpdate time.Time
	NextUpdate time.Time // zero if it has none
	WriteTo    func(io.Writer) (int64, error)
}

// Answer is an OCSP response. The fields after Cacheable matter if it is true:
// then anybody may keep the answer until NextUpdate (RFC 5019, section 6).
type Answer struct {
	DER        []byte
	Cacheable  bool
	ThisUpdate time.Time
	NextUpdate time.Time
	ETag       string // a strong entity tag, with its quotes
}

// Issuer is an issuing CA, now or in the past.
type Issuer struct {
	ID          string // as in the addresses of its CRL and certificate
	Certificate *x509.Certificate
}

// Options says what is served; all fields except the last three are required.
type Options struct {
	Root    *x509.Certificate
	Issuers func() []Issuer // the present one last

	CRL    func(issuer string) (Document, error)
	Bundle func() (Document, error) // the CRLs of all levels, in PEM
	// WaitBundle returns the bundle as soon as its ETag differs from etag, and
	// in any case when ctx ends.
	WaitBundle func(ctx context.Context, etag string) (Document, error)
	// OCSP answers a request in DER, whatever it is. OCSPFromPath reads the
	// request in the address of a GET.
	OCSP         func(ctx context.Context, request []byte) Answer
	OCSPFromPath func(path string) ([]byte, error)

	Site *page.Site
	URL  string // the plain listener's, as in the certificates
	Now  func() time.Time
	Log  *slog.Logger

	// Closing ends all waiting when it is closed; nil: never.
	Closing <-chan struct{}
	// MaxWaiters is how many requests wait for a change at a time; 0: 256.
	MaxWaiters int
	// TrustedProxies are those whose X-Forwarded-For is trusted.
	TrustedProxies []netip.Prefix
}

// Trust is the handler of /pki and /ocsp.
type Trust struct {
	opts     Options
	problems server.Problems
	router   *mux.Router
	pages    *page.Pages
	waiters  *waiters
	source   *limit.Source
	fixed    *fixed
}

// New returns the handler, or an error if a field of o is not set.
func New(o Options) (*Trust, error) {
	if o.Root == nil || o.Issuers == nil || o.CRL == nil || o.Bundle == nil || o.WaitBundle == nil || o.OCSP == nil ||
		o.OCSPFromPath == nil || o.Site == nil || o.Now == nil || o.Log == nil {
		return nil, errors.New("trust: a field of the options is not set")
	}
	if o.MaxWaiters <= 0 {
		o.MaxWaiters = 256
	}
	o.URL = strings.TrimRight(o.URL, "/")
	t := &Trust{
		opts: o, problems: server.Problems{Log: o.Log}, router: mux.NewRouter().SkipClean(true), waiters: newWaiters(o.MaxWaiters),
		source: &limit.Source{Trusted: o.TrustedProxies, Log: o.Log}, fixed: newFixed(),
	}
	var err error
	if t.pages, err = o.Site.Pages(own); err != nil {
		return nil, err
	}
	t.router.Use(server.Routes)
	for path, serve := range map[string]http.HandlerFunc{
		"/pki/root.pem":          t.rootPEM,
		"/pki/root.cer":          t.rootDER,
		"/pki/root.mobileconfig": t.mobileConfig,
		"/pki/chain.pem":         t.chain,
		"/pki/crl-bundle.pem":    t.bundle,
		"/pki/crl/{issuer}.crl":  t.crl,
	} {
		t.router.HandleFunc(path, serve).Methods(http.MethodGet, http.MethodHead)
	}
	// After root.cer: mux takes the first that matches.
	t.router.HandleFunc("/pki/{issuer}.cer", t.issuerDER).Methods(http.MethodGet, http.MethodHead)
	t.router.Handle("/pki/", page.Headers(http.HandlerFunc(t.page))).Methods(http.MethodGet, http.MethodHead)
	t.router.Handle("/pki", http.RedirectHandler(o.Site.Base()+"/pki/", http.StatusMovedPermanently)).
		Methods(http.MethodGet, http.MethodHead)
	t.router.Handle("/assets/{name}", page.Headers(o.Site.Assets())).Methods(http.MethodGet, http.MethodHead)
	t.router.NotFoundHandler = http.HandlerFunc(t.notFound)
	t.router.MethodNotAllowedHandler = server.NotAllowed(t.router, false, t.problems.Write)
	return t, nil
}

// ServeHTTP makes Trust usable as the only handler of a listener, including the
// assets of the page.
func (t *Trust) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// OCSP comes first: it is asked for far more often than anything else.
	if isOCSP(r.URL.Path) {
		t.ocsp(w, r)
		return
	}
	t.router.ServeHTTP(w, r)
}

// Before returns a handler that serves /pki and /ocsp, and leaves the rest to next.
func (t *Trust) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; isOCSP(path) || path == "/pki" || strings.HasPrefix(path, "/pki/") {
			t.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (t *Trust) notFound(w http.ResponseWriter, r *http.Request) {
	t.problems.Write(w, r, &issuance.Error{
		Kind: issuance.NotFound, Code: server.CodePath, Message: "there is nothing at this address",
		Hint: "/pki/ links to all documents",
	})
}
