package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync/atomic"

	"github.com/postern-ca/postern/ca"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/auth"
	"github.com/postern-ca/postern/web/server"
)

// proxies answers those who ask about their clients: by the callers that are
// configured at the moment.
type proxies struct{ now atomic.Pointer[auth.Auth] }

func (p *proxies) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.now.Load().ServeHTTP(w, r) }

// canBe reports whether p can answer the callers of cfg without a restart: there
// must be some before and after, and the listener asks for certificates or not.
func (p *proxies) canBe(cfg *config.Config) bool {
	return p != nil && len(cfg.Auth.Callers) > 0 && !cfg.Auth.ByCertificate()
}

// set has p answer the callers of cfg from now on. It does nothing if p is nil.
func (p *proxies) set(h *house, cfg *config.Config) error {
	if p == nil {
		return nil
	}
	next, err := h.auth(cfg)
	if err == nil {
		p.now.Store(next)
	}
	return err
}

// newProxies returns the handler that proxies ask about their clients, nil if no
// proxy may.
func (h *house) newProxies() (*proxies, error) {
	if len(h.cfg.Auth.Callers) == 0 {
		return nil, nil
	}
	p := new(proxies)
	return p, p.set(h, h.cfg)
}

// auth returns the handler for the callers of cfg.
func (h *house) auth(cfg *config.Config) (*auth.Auth, error) {
	clients := &ca.Clients{Authority: h.authority, Certificate: h.standing.Certificate, Now: h.now, Wall: h.clock.Wall}
	o := auth.Options{
		Check: clients.Check, Service: h.standing.Service, Authorities: h.authorities,
		Seen: h.seen.See, Report: h.seen.Report, Refusals: refusals(), Refused: h.refuseProxy, Log: h.log,
	}
	for _, c := range cfg.Auth.Callers {
		o.Callers = append(o.Callers, proxy(c))
	}
	return auth.New(o)
}

// refusals are the reasons that web services may report: those of a certificate of
// ours, as /auth gives them itself.
func refusals() []issuance.Code {
	return []issuance.Code{
		ca.CodeRevoked, ca.CodeHeld, ca.CodeExpired, ca.CodeNotYetValid, ca.CodeUnknown, ca.CodeDisabled,
		auth.CodeOrganization, auth.CodeService, auth.CodeEnvironment,
	}
}

// proxy returns a caller as it is configured.
func proxy(c config.Caller) auth.Caller {
	out := auth.Caller{
		Name: c.Name, Secret: c.Secret, Services: named[issuance.ServiceID](c.Services),
		Format: auth.Format(c.Format), Header: c.Header, ByHeader: c.UpstreamBy == "header",
	}
	if len(c.Upstreams) > 0 {
		out.Upstreams = make(map[string]auth.Upstream, len(c.Upstreams))
	}
	for _, u := range c.Upstreams {
		out.Upstreams[u.Name] = auth.Upstream{
			Organizations: named[issuance.OrgID](u.Organizations), Services: named[issuance.ServiceID](u.Services),
			Environments: named[issuance.Environment](u.Environments), WithoutCertificate: u.AllowWithoutCertificate,
		}
	}
	return out
}

func named[T ~string](names []string) []T {
	out := make([]T, len(names))
	for i, n := range names {
		out[i] = T(n)
	}
	return out
}

// besideProxies puts what proxies ask in front of staff's handler: a proxy's
// secret opens nothing else there, and a token of staff's nothing here.
func besideProxies(proxies *proxies, staff http.Handler) http.Handler {
	if proxies == nil {
		return staff
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth.Ours(r) {
			proxies.ServeHTTP(w, r)
			return
		}
		staff.ServeHTTP(w, r)
	})
}

// listenProxies opens the listener for proxies, if one is wanted.
func (h *house) listenProxies(metrics *server.Metrics) (err error) {
	c := h.cfg.Auth
	if h.proxies == nil || !c.Serves() {
		return nil
	}
	o := server.Options{
		HSTS: h.cfg.Public.MaxAge(), Name: "auth", Addr: c.Listen, Handler: h.proxies, Log: h.log, Metrics: metrics, HTTP2: true,
		Connections: h.connections("auth"),
	}
	if !c.Cleartext() {
		if o.TLSConfig, err = h.serverTLS(c.TLS.Cert, c.TLS.Key, c.URL); err != nil {
			return err
		}
	}
	if o.TLSConfig != nil && c.ByCertificate() {
		// Asked for, and checked for each request: a proxy with a secret has none.
		o.TLSConfig.ClientAuth = tls.RequestClientCert
		o.TLSConfig.ClientCAs = x509.NewCertPool()
		for _, is := range h.authority.Issuers() {
			o.TLSConfig.ClientCAs.AddCert(is.Certificate)
		}
	}
	h.listeners.auth, err = server.New(o)
	return err
}
