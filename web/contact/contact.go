package contact

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
)

//go:embed all:templates text assets
var files embed.FS

// Config is what the contact site needs. Limit, TrustedProxies and Location may be zero.
type Config struct {
	Registrar *issuance.Registrar
	Site      *page.Site
	PublicURL *url.URL // where contacts reach the site, with its path if it has one
	Log       *slog.Logger
	Now       func() time.Time
	Limit     Limit // of POSTs, for each address
	// LinkLifetime is how long links work: the browser keeps them for twice as long, to be
	// able to say what happened to them.
	LinkLifetime time.Duration
	// TrustedProxies are those whose X-Forwarded-For is trusted.
	TrustedProxies []netip.Prefix
	Location       *time.Location // of the times shown where no script runs; nil for UTC
}

// site is the handler of all pages for contacts.
type site struct {
	Config
	pages   *page.Pages
	limiter *limit.Limiter
	source  *limit.Source
}

// New returns the handler of /c/, /stop/, /claim and /assets/, or an error that says
// what is missing in c. Its server must use ConnContext and must not offer HTTP/2. The
// paths of requests come without the base of c.Site; the addresses on its pages include
// it.
func New(c Config) (http.Handler, error) {
	if c.Registrar == nil || c.Site == nil || c.PublicURL == nil || c.Log == nil || c.Now == nil || c.LinkLifetime <= 0 {
		return nil, errors.New("contact: a field of the configuration is not set")
	}
	if c.Location == nil {
		c.Location = time.UTC
	}
	pages, err := c.Site.Pages(files)
	if err != nil {
		return nil, err
	}
	s := &site{
		Config: c, pages: pages, limiter: limit.New(c.Limit, c.Now),
		source: &limit.Source{Trusted: c.TrustedProxies, Log: c.Log},
	}
	foreign := http.NewCrossOriginProtection()
	if err := foreign.AddTrustedOrigin(c.PublicURL.Scheme + "://" + c.PublicURL.Host); err != nil {
		return nil, err
	}
	foreign.SetDenyHandler(http.HandlerFunc(s.denyForeign))
	return page.Headers(tidied(foreign.Handler(s.routes()))), nil
}

// routes registers the handlers. Every POST passes the limiter, and the size of its body
// is limited.
func (s *site) routes() http.Handler {
	r := mux.NewRouter()
	r.Use(server.Routes)
	get := func(path string, h http.HandlerFunc) {
		r.Path(path).Methods(http.MethodGet, http.MethodHead).HandlerFunc(h)
	}
	post := func(path string, h http.HandlerFunc) { r.Path(path).Methods(http.MethodPost).Handler(s.limited(h)) }
	get("/c/{token}", s.open)
	post("/c/{token}/code", s.scriptCode)
	post("/c/{token}/claim", s.scriptClaim)
	get("/stop/{token}", s.lookStop)
	post("/stop/{token}", s.stop)
	get("/claim", s.claim)
	get("/claim/status", s.status)
	post("/claim/code", s.sendCode)
	post("/claim/verify", s.verify)
	post("/claim/download", s.download)
	post("/claim/resend-password", s.resendPassword)
	r.PathPrefix("/assets/").Methods(http.MethodGet, http.MethodHead).Handler(s.Site.Assets())
	r.NotFoundHandler = http.HandlerFunc(s.noPage)
	r.MethodNotAllowedHandler = server.NotAllowed(r, true, s.noMethod)
	return r
}

func (s *site) noPage(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, &issuance.Error{Kind: issuance.NotFound, Code: page.CodePage, Message: "there is no such page"}, "")
}

func (s *site) noMethod(w http.ResponseWriter, r *http.Request, err error) {
	s.fail(w, r, err, s.path("/claim"))
}

func (s *site) denyForeign(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, &issuance.Error{Kind: issuance.Denied, Code: page.CodeForeign, Message: "the form was sent from another site"}, "")
}

// path returns the address of one of the site's pages.
func (s *site) path(p string) string { return s.Site.Base() + p }

// fail shows people what went wrong.
func (s *site) fail(w http.ResponseWriter, r *http.Request, cause error, back string) {
	if err := s.Site.Fail(w, r, cause, back); err != nil {
		s.Log.ErrorContext(r.Context(), "showing the error page", "error", err)
	}
}

// report logs err if it is an internal error.
func (s *site) report(r *http.Request, err error, order issuance.OrderID) {
	if err != nil && issuance.KindOf(err) == issuance.Internal && r.Context().Err() == nil {
		s.Log.ErrorContext(r.Context(), "serving a contact", "order", order, "error", err)
	}
}
