package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/report"
	"github.com/postern-ca/postern/issuance/staff"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/server"
)

// Prefix is where the API begins.
const Prefix = "/api/v1"

// Options says what the admin listener serves. All but Checks, Metrics, Outbox and Public are needed.
type Options struct {
	Registrar *issuance.Registrar
	Staff     *staff.Office
	Reports   *report.Office
	Channels  Channels
	Backup    Backup
	// VerifyAudit checks the chain of audit records, and returns the links of those in at.
	VerifyAudit func(ctx context.Context, at []uint64) (AuditCheck, error)
	Log         *slog.Logger
	Now         func() time.Time
	Source      *limit.Source  // which address a request comes from; nil: that of its connection
	Checks      []server.Check // of /readyz
	Metrics     http.Handler   // /metrics; nil: there is none
	// Outbox is the development page of mails and SMS, under /outbox, with its
	// /assets; nil: there is none.
	Outbox http.Handler
	// Public is the URL of the public listener, for links to the pages of trust
	// and of contacts; empty: no links.
	Public string
	// Base is the path that the site lives below, "" for the root of its host. The
	// paths of requests come without it; addresses in answers have it.
	Base string
}

// API is the handler of the admin listener.
type API struct {
	opts     Options
	problems server.Problems
	router   *mux.Router
}

// New returns the handler of the admin listener.
func New(o Options) (*API, error) {
	if o.Registrar == nil || o.Staff == nil || o.Reports == nil || o.Backup == nil || o.VerifyAudit == nil ||
		!o.Channels.complete() || o.Log == nil || o.Now == nil {
		return nil, errors.New("admin: a field of the options is not set")
	}
	if o.Source == nil {
		o.Source = new(limit.Source)
	}
	a := &API{opts: o, problems: server.Problems{Log: o.Log}, router: mux.NewRouter().SkipClean(true)}
	a.router.Use(server.Routes)
	for _, e := range a.endpoints() {
		a.router.HandleFunc(Prefix+e.path, a.serve(e.do)).Methods(e.methods()...)
	}
	a.document(Prefix+"/openapi.json", http.HandlerFunc(a.serveDocument))
	a.document(server.LivePath, http.HandlerFunc(server.Live))
	a.document(server.ReadyPath, server.Readiness{Checks: o.Checks})
	a.document("/", http.HandlerFunc(a.index))
	if o.Metrics != nil {
		a.document("/metrics", o.Metrics)
	}
	if o.Outbox != nil {
		for _, path := range []string{"/outbox", "/outbox.json", "/outbox/{n}.html", "/assets/{name}"} {
			a.document(path, o.Outbox)
		}
	}
	a.router.NotFoundHandler = http.HandlerFunc(a.notFound)
	a.router.MethodNotAllowedHandler = server.NotAllowed(a.router, false, a.problems.Write)
	return a, nil
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// document serves a read-only page.
func (a *API) document(path string, h http.Handler) {
	a.router.Handle(path, h).Methods(http.MethodGet, http.MethodHead)
}

// endpoint is one row of the API: a method, a path under Prefix, and what it does.
type endpoint struct {
	method string
	path   string
	do     func(*call) (any, error)
}

func (e endpoint) methods() []string {
	if e.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{e.method}
}

// endpoints is the whole API. Its document has the same rows; a test compares them.
func (a *API) endpoints() []endpoint {
	const get, post, patch = http.MethodGet, http.MethodPost, http.MethodPatch
	return []endpoint{
		{get, "/organizations", a.listOrganizations},
		{post, "/organizations", a.addOrganization},
		{get, "/organizations/{id}", a.showOrganization},
		{patch, "/organizations/{id}", a.changeOrganization},
		{post, "/organizations/{id}/disable", a.disableOrganization},
		{post, "/organizations/{id}/enable", a.enableOrganization},

		{get, "/contacts", a.listContacts},
		{post, "/contacts", a.addContact},
		{get, "/contacts/{id}", a.showContact},
		{patch, "/contacts/{id}", a.changeContact},
		{post, "/contacts/{id}/disable", a.disableContact},
		{post, "/contacts/{id}/enable", a.enableContact},
		{post, "/contacts/{id}/report-loss", a.reportLoss},

		{get, "/proposals", a.listProposals},
		{get, "/proposals/{id}", a.showProposal},
		{post, "/proposals/{id}/confirm", a.onProposal(a.opts.Registrar.Confirm)},
		{post, "/proposals/{id}/reject", a.onProposal(a.opts.Registrar.RejectProposal)},

		{get, "/services", a.listServices},
		{post, "/services", a.addService},
		{get, "/services/{id}", a.showService},
		{patch, "/services/{id}", a.changeService},
		{post, "/services/{id}/disable", a.disableService},
		{post, "/services/{id}/enable", a.enableService},

		{get, "/orders", a.listOrders},
		{post, "/orders", a.requestOrder},
		{get, "/orders/{id}", a.showOrder},
		{post, "/orders/{id}/approve", a.onOrder(a.opts.Registrar.Approve)},
		{post, "/orders/{id}/reject", a.onOrder(a.opts.Registrar.Reject)},
		{post, "/orders/{id}/cancel", a.onOrder(a.opts.Registrar.Cancel)},
		{post, "/orders/{id}/unlock", a.onOrder(a.opts.Registrar.Unlock)},
		{post, "/orders/{id}/resend", a.onOrder(a.opts.Registrar.Resend)},
		{post, "/orders/{id}/resend-password", a.onOrder(a.opts.Registrar.ResendPassword)},

		{get, "/certificates", a.listCertificates},
		{get, "/certificates/{serial}", a.showCertificate},
		{get, "/certificates/{serial}/compromise", a.showCompromise},
		{post, "/certificates/{serial}/revoke", a.revokeCertificate},
		{post, "/certificates/{serial}/hold", a.onCertificate(a.opts.Registrar.Hold)},
		{post, "/certificates/{serial}/release", a.onCertificate(a.opts.Registrar.Release)},
		{post, "/certificates/{serial}/renew", a.renewCertificate},

		{get, "/search", a.search},

		{get, "/messages", a.listMessages},
		{get, "/messages/{id}", a.showMessage},
		{post, "/messages/{id}/retry", a.retryMessage},
		{post, "/messages/test", a.testMessage},

		{get, "/tokens", a.listTokens},
		{post, "/tokens", a.addToken},
		{get, "/tokens/{id}", a.showToken},
		{post, "/tokens/{id}/confirm", a.confirmToken},
		{post, "/tokens/{id}/revoke", a.revokeToken},

		{get, "/audit", a.listAudit},
		{post, "/audit/{id}/reveal", a.revealAudit},
		{post, "/audit/verify", a.verifyAudit},

		{get, "/clock", a.showClock},
		{post, "/clock/accept", a.acceptClock},

		{get, "/reports/daily", a.report(report.Daily, "date")},
		{get, "/reports/monthly", a.report(report.Monthly, "month")},

		{post, "/backup", a.backup},
	}
}

// created is the answer of an endpoint that made something.
type created struct {
	path string // under Prefix, where it can be seen from now on
	body any
}

// serve handles one call: it authenticates the caller, calls do, and writes the answer.
func (a *API) serve(do func(*call) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r = server.From(w, r, a.opts.Source)
		by, err := a.opts.Staff.Authenticate(r.Context(), bearer(r))
		if by.ID != "" {
			server.By(w, by)
		}
		if err != nil {
			a.problems.Write(w, r, err)
			return
		}
		answer, err := do(&call{r: r, w: w, by: by})
		if issuance.CodeOf(err) == issuance.CodeRole {
			a.opts.Staff.Refuse(r.Context(), by, staff.WrongRole, err.Error())
		}
		if err != nil {
			a.problems.Write(w, r, err)
			return
		}
		if file, ok := answer.(stream); ok {
			file.serve(a, w, r)
			return
		}
		status := http.StatusOK
		if made, ok := answer.(created); ok {
			status, answer = http.StatusCreated, made.body
			w.Header().Set("Location", a.opts.Base+Prefix+made.path)
		}
		body, err := json.Marshal(answer)
		if err != nil {
			a.problems.Write(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write(append(body, '\n')) // the client may be gone
	}
}

// bearer returns the token of r (RFC 6750, section 2.1), empty if there is none.
func bearer(r *http.Request) issuance.Secret {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return issuance.Secret{}
	}
	return issuance.NewSecret([]byte(strings.TrimSpace(token)))
}

func (a *API) notFound(w http.ResponseWriter, r *http.Request) {
	a.problems.Write(w, r, &issuance.Error{
		Kind: issuance.NotFound, Code: server.CodePath, Message: "there is nothing at this address",
		Hint: Prefix + "/openapi.json describes the API",
	})
}
