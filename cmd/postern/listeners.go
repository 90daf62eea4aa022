package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/web/admin"
	"github.com/postern-ca/postern/web/contact"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/mtls"
	"github.com/postern-ca/postern/web/outbox"
	"github.com/postern-ca/postern/web/page"
	"github.com/postern-ca/postern/web/server"
	"github.com/postern-ca/postern/web/trust"
)

// listeners are the addresses of the house, one for each audience.
type listeners struct{ public, plain, admin, mtls, auth *server.Server }

func (l listeners) all() []*server.Server {
	var out []*server.Server
	for _, s := range []*server.Server{l.public, l.plain, l.admin, l.mtls, l.auth} {
		if s != nil {
			out = append(out, s)
		}
	}
	return out
}

func (l listeners) close() error {
	var err error
	for _, s := range l.all() {
		err = errors.Join(err, s.Close())
	}
	return err
}

// listen makes the handlers and takes the addresses; nothing is served before run.
func (h *house) listen(ctx context.Context) error {
	h.room = newRoom(fileLimit(), h.cfg.Public.Proxies())
	sites, err := h.sites()
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	metrics, err := server.NewMetrics(registry)
	if err != nil {
		return err
	}
	if err := h.measure(registry); err != nil {
		return err
	}
	plain, err := h.trust(ctx, sites.plain)
	if err != nil {
		return err
	}
	trusted := plain
	if sites.public != sites.plain { // the links of its page are others
		if trusted, err = h.trust(ctx, sites.public); err != nil {
			return err
		}
	}
	public, err := h.public(sites.public, trusted)
	if err != nil {
		return err
	}
	staff, err := h.admin(sites.admin, promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	if err != nil {
		return err
	}
	if h.proxies, err = h.newProxies(); err != nil {
		return err
	}
	if err := h.listenPublic(public, sites.public, metrics); err != nil {
		return err
	}
	if h.listeners.plain, err = server.New(server.Options{
		HSTS: h.cfg.Public.MaxAge(), Name: "plain", Addr: h.cfg.Plain.Listen, Handler: plain, Connections: h.room.connections("plain"),
		Log: h.log, Metrics: metrics, Source: &limit.Source{Trusted: h.cfg.Public.Proxies()},
	}); err != nil {
		return err
	}
	if err := h.listenAdmin(server.Below(h.cfg.Admin.Base(), besideProxies(h.proxies, staff)), metrics); err != nil {
		return err
	}
	if err := h.listenProxies(metrics); err != nil {
		return err
	}
	return h.listenClients(metrics)
}

func (h *house) listenPublic(handler http.Handler, site *page.Site, metrics *server.Metrics) (err error) {
	o := server.Options{
		HSTS: h.cfg.Public.MaxAge(), Name: "public", Addr: h.cfg.Public.Listen, Handler: handler, Log: h.log,
		Metrics: metrics, ConnContext: contact.ConnContext,
		Source: &limit.Source{Trusted: h.cfg.Public.Proxies()}, Connections: h.room.connections("public"),
		Failed: func(w http.ResponseWriter, r *http.Request) { site.Fail(w, r, errors.New("a request panicked"), "") },
	}
	if o, err = h.fronted(o, h.cfg.Public.Front()); err == nil {
		h.listeners.public, err = server.New(o)
	}
	return err
}

func (h *house) listenAdmin(handler http.Handler, metrics *server.Metrics) (err error) {
	o := server.Options{
		HSTS: h.cfg.Public.MaxAge(), Name: "admin", Addr: h.cfg.Admin.Listen, Handler: handler, Log: h.log,
		Metrics: metrics, HTTP2: true,
		Source: h.staffSource(), Connections: h.room.connections("admin"),
	}
	if h.outbox != nil {
		o.Hosts = server.LoopbackHosts()
		if u, err := url.Parse(h.cfg.Admin.URL); err == nil {
			o.Hosts = append(o.Hosts, u.Hostname())
		}
	}
	if o, err = h.fronted(o, h.cfg.Admin); err == nil {
		h.listeners.admin, err = server.New(o)
	}
	return err
}

func (h *house) listenClients(metrics *server.Metrics) error {
	clients, config, err := h.clients()
	if err != nil {
		return err
	}
	handler, err := mtls.New(mtls.Options{Check: clients.Check, Seen: h.seen.See, Log: h.log})
	if err != nil {
		return err
	}
	enrolment, err := h.est(clients)
	if err != nil {
		return err
	}
	h.listeners.mtls, err = server.New(server.Options{
		HSTS: h.cfg.Public.MaxAge(), Name: "mtls", Addr: h.cfg.MTLS.Listen, Handler: enrolment.Before(handler),
		TLSConfig: config, HTTP2: true, Log: h.log, Metrics: metrics,
		Connections: h.room.connections("mtls"),
	})
	return err
}

// fronted gives o the TLS side that f asks for.
func (h *house) fronted(o server.Options, f config.Front) (server.Options, error) {
	if f.Cleartext() {
		return o, nil
	}
	c, err := h.serverTLS(f.TLS.Cert, f.TLS.Key, f.URL)
	o.TLSConfig = c
	return o, err
}

// sites are the layout of pages for each listener that has pages: those that live
// below the same path are one.
type sites struct{ public, plain, admin *page.Site }

func (h *house) sites() (sites, error) {
	made := make(map[string]*page.Site)
	at := func(base string, err error) (*page.Site, error) {
		if made[base] == nil && err == nil {
			made[base], err = h.site(base)
		}
		return made[base], err
	}
	var s sites
	var err error
	s.plain, err = at("", nil) // plain.url has no path
	s.public, err = at(h.cfg.Public.Front().Base(), err)
	s.admin, err = at(h.cfg.Admin.Base(), err)
	return s, err
}

// site returns the layout that the pages below the path base share.
func (h *house) site(base string) (*page.Site, error) {
	b := page.Brand{
		Name: h.cfg.Brand.Name, Colour: h.cfg.Brand.Colour, SupportEmail: h.cfg.Brand.SupportEmail,
		SupportPhone: h.cfg.Brand.SupportPhone,
	}
	if h.cfg.Brand.Logo != "" {
		var err error
		if b.Logo, err = os.ReadFile(h.cfg.Brand.Logo); err != nil {
			return nil, err
		}
	}
	return page.New(b, base)
}

// public returns the handler of the listener that contacts reach.
func (h *house) public(site *page.Site, trusted *trust.Trust) (http.Handler, error) {
	u, err := url.Parse(h.cfg.Public.URL)
	if err != nil {
		return nil, err
	}
	contacts, err := contact.New(contact.Config{
		Registrar: h.registrar, LinkLifetime: h.cfg.Policy().LinkLifetime, Site: site, PublicURL: u, Log: h.log, Now: h.now,
		Limit:          h.postLimit(),
		TrustedProxies: h.cfg.Public.Proxies(),
	})
	if err != nil {
		return nil, err
	}
	own := map[string]http.Handler{
		"/": site.ReadOnly(site.Home()), server.LivePath: site.ReadOnly(http.HandlerFunc(server.Live)),
		server.ReadyPath: site.ReadOnly(&server.Brief{Checks: h.checks()}),
	}
	paths := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler := own[r.URL.Path]; handler != nil {
			page.Headers(handler).ServeHTTP(w, r)
			return
		}
		contacts.ServeHTTP(w, r)
	})
	// Trust comes first: the base64 of an OCSP request may have //.
	return server.Below(site.Base(), trusted.Before(server.Clean(site.Base(), paths))), nil
}

// admin returns the handler of the listener for staff.
func (h *house) admin(site *page.Site, metrics http.Handler) (http.Handler, error) {
	o := admin.Options{
		Registrar: h.registrar, Staff: h.staff, Reports: h.reports, Channels: h.channels(), Backup: h.backup,
		VerifyAudit: h.auditor.verify, Log: h.log, Now: h.now,
		Source: h.staffSource(), Checks: h.checks(), Metrics: metrics, Public: h.cfg.Public.URL, Base: h.cfg.Admin.Base(),
	}
	if h.outbox != nil {
		var err error
		if o.Outbox, err = outbox.New(outbox.Options{Messages: h.outboxMessages, Site: site, Log: h.log}); err != nil {
			return nil, err
		}
	}
	return admin.New(o)
}

// staffSource says where staff come from: a proxy is believed only if it ends their
// TLS, because otherwise whoever is on its host could claim to come from anywhere.
func (h *house) staffSource() *limit.Source {
	if !h.cfg.Admin.TLS.Proxy {
		return new(limit.Source)
	}
	return &limit.Source{Trusted: h.cfg.Public.Proxies(), Log: h.log}
}

// outboxMessages gives the development page what its senders kept.
func (h *house) outboxMessages() []outbox.Message {
	kept := h.outbox.Messages()
	out := make([]outbox.Message, len(kept))
	for i, m := range kept {
		out[i] = outbox.Message{
			At: m.Date, Channel: m.Channel, To: m.To, Subject: m.Subject,
			Text: string(m.Text.Reveal()), HTML: string(m.HTML.Reveal()),
		}
	}
	return out
}

// trust returns the handler of everything that is signed and public.
func (h *house) trust(ctx context.Context, site *page.Site) (*trust.Trust, error) {
	return trust.New(trust.Options{
		Root: h.authority.Root(), Issuers: h.issuers, CRL: h.crl, Bundle: h.bundle, WaitBundle: h.waitBundle,
		OCSP: h.ocsp, OCSPFromPath: ocspFromPath, Site: site, URL: h.cfg.Plain.URL, Now: h.now, Log: h.log, Closing: ctx.Done(),
		TrustedProxies: h.cfg.Public.Proxies(), MaxWaiters: h.room.waiters(),
	})
}
