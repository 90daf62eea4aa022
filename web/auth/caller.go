package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// SecretHeader is where a proxy sends its secret, or in Authorization as a Bearer
// token, if its client has no use for that header.
const SecretHeader = "Postern-Proxy-Secret"

// UpstreamHeader and upstreamQuery are where a proxy names the upstream.
const (
	UpstreamHeader = "Postern-Upstream"
	upstreamQuery  = "upstream"
)

// Caller is a proxy that may ask, how it proves who it is, and how it passes its
// clients' certificates on.
type Caller struct {
	Name string
	// Secret is shared with the proxy. Or Services are those whose certificates
	// it may show in two-way TLS; one of the two must be set.
	Secret   issuance.Secret
	Services []issuance.ServiceID
	Format   Format
	Header   string // with the certificate; empty: the one that is usual for Format
	// Upstreams are the web services behind the proxy, by name; none: all
	// certificates that stand are let in. If there are several, the proxy names
	// one in each request: in the query of [Path] itself, or, with ByHeader, in
	// UpstreamHeader. Only one of the two counts, because a proxy may pass the
	// other on from its client.
	Upstreams map[string]Upstream
	ByHeader  bool

	digest [sha256.Size]byte
}

// Upstream says which clients a web service lets in. An empty list lets all in.
type Upstream struct {
	Organizations []issuance.OrgID
	Services      []issuance.ServiceID
	Environments  []issuance.Environment
	// WithoutCertificate lets a client in that shows no certificate at all. The
	// caller of New must see to it that the upstream is a test.
	WithoutCertificate bool
}

func (c *Caller) prepare() error {
	if c.Name == "" || c.Secret.Empty() == (len(c.Services) == 0) {
		return fmt.Errorf("auth: caller %q needs a name, and either a secret or services", c.Name)
	}
	usual := c.Format.Header()
	if usual == "" {
		return fmt.Errorf("auth: caller %q has the format %q, which does not exist", c.Name, c.Format)
	}
	if c.Header == "" {
		c.Header = usual
	}
	c.Header = textproto.CanonicalMIMEHeaderKey(c.Header)
	c.digest = sha256.Sum256(c.Secret.Reveal())
	return nil
}

// caller returns the proxy that asks. A certificate that it shows in the
// handshake counts alone; otherwise its secret does.
func (a *Auth) caller(ctx context.Context, r *http.Request) (*Caller, error) {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return a.callerByCertificate(ctx, r)
	}
	secret, err := secretOf(r.Header)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(secret))
	var found *Caller
	for _, c := range a.callers { // all of them: how long it takes says nothing
		if subtle.ConstantTimeCompare(digest[:], c.digest[:]) == 1 && !c.Secret.Empty() {
			found = c
		}
	}
	if found == nil {
		return nil, errProxy("it sent an unknown secret")
	}
	return found, nil
}

func (a *Auth) callerByCertificate(ctx context.Context, r *http.Request) (*Caller, error) {
	known, err := a.opts.Check(ctx, r.TLS.PeerCertificates[0])
	if err == nil {
		_, err = a.service(ctx, known)
	}
	if issuance.KindOf(err) == issuance.Denied {
		return nil, errProxy("its own certificate is refused: " + err.Error())
	} else if err != nil {
		return nil, err
	}
	for _, c := range a.callers {
		if slices.Contains(c.Services, known.Service) {
			return c, nil
		}
	}
	return nil, errProxy("its certificate belongs to service " + string(known.Service) + ", which is not a proxy")
}

// secretOf returns the secret that a request brings.
func secretOf(h http.Header) (string, error) {
	if values := h.Values(SecretHeader); len(values) > 0 {
		if len(values) > 1 {
			return "", errProxy("it sent " + SecretHeader + " more than once")
		}
		return values[0], nil
	}
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", errProxy("it sent no secret")
	}
	scheme, secret, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errProxy("it sent no secret")
	}
	return strings.TrimSpace(secret), nil
}

func errProxy(what string) *issuance.Error {
	return denied(CodeProxy, "the proxy is not authenticated: "+what,
		"tell the operator of the proxy: it must send the secret or the certificate configured in Postern's "+
			"auth.callers")
}

// upstream returns the rules of the upstream that r is about.
func (c *Caller) upstream(r *http.Request) (Upstream, error) {
	if len(c.Upstreams) == 0 {
		return Upstream{}, nil
	}
	names := c.named(r)
	if len(c.Upstreams) == 1 && len(names) == 0 {
		for _, u := range c.Upstreams {
			return u, nil
		}
	}
	if len(names) != 1 {
		return Upstream{}, errUpstream("the proxy named no upstream, or more than one")
	}
	u, ok := c.Upstreams[names[0]]
	if !ok {
		return Upstream{}, errUpstream("the proxy named an upstream that is not configured for it")
	}
	return u, nil
}

// named returns the names of upstreams in r. The query is the proxy's own at Path
// itself; below it, it is that of the proxy's client.
func (c *Caller) named(r *http.Request) []string {
	if c.ByHeader {
		return r.Header.Values(UpstreamHeader)
	}
	if r.URL.Path != Path || r.URL.RawQuery == "" {
		return nil
	}
	if name, alone := strings.CutPrefix(r.URL.RawQuery, upstreamQuery+"="); alone && !strings.ContainsAny(name, "&;%+=") {
		return []string{name}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return []string{""}
	}
	return query[upstreamQuery]
}

func errUpstream(what string) *issuance.Error {
	return denied(CodeUpstream, what, "tell the operator of the proxy: it must name one of its upstreams in Postern's auth.callers")
}

// allow returns why a client is not let in here, nil if it is.
func (u Upstream) allow(known issuance.Certificate, environment issuance.Environment) error {
	const hint = "ask the operator of the web service for access, or use the certificate issued for it"
	switch {
	case len(u.Organizations) > 0 && !slices.Contains(u.Organizations, known.Organization):
		return denied(CodeOrganization, "the certificate's organisation is not allowed here", hint)
	case len(u.Services) > 0 && !slices.Contains(u.Services, known.Service):
		return denied(CodeService, "the certificate's service is not allowed here", hint)
	case len(u.Environments) > 0 && !slices.Contains(u.Environments, environment):
		return denied(CodeEnvironment, "services of this environment are not allowed here", hint)
	}
	return nil
}
