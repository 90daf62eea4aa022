package config

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Public is the listener that contacts reach.
type Public struct {
	Listen string   `yaml:"listen"`
	URL    string   `yaml:"url" example:"https://certs.example.com"`
	TLS    FrontTLS `yaml:"tls"`
	// TrustedProxies are the proxies whose X-Forwarded-For is trusted, as addresses or
	// networks; on the admin listener only with admin.tls.proxy.
	TrustedProxies []string `yaml:"trusted_proxies" example:"[10.0.0.7, 10.1.0.0/16]"`
	// POST requests allowed per address: this many at once, then this many per minute.
	PostsPerMinute int `yaml:"posts_per_minute"`
	PostsBurst     int `yaml:"posts_burst"`
	// HSTS is how long browsers use only https, on every listener with its own TLS.
	HSTS time.Duration `yaml:"hsts"`
}

// MaxAge returns HSTS as the servers take it: negative for none.
func (p Public) MaxAge() time.Duration {
	if p.HSTS < time.Second {
		return -1
	}
	return p.HSTS
}

// Front returns what p has in common with other listeners.
func (p Public) Front() Front { return Front{p.Listen, p.URL, p.TLS} }

// Front is a listener for browsers and programs without a client certificate.
type Front struct {
	Listen string   `yaml:"listen"`
	URL    string   `yaml:"url" example:"https://pki-admin.example.com:9443"`
	TLS    FrontTLS `yaml:"tls"`
}

// FrontTLS says where a listener's certificate comes from. Without any of these, the
// listener gets one from Postern's own CA, or speaks plain HTTP if its URL does.
type FrontTLS struct {
	Cert  string `yaml:"cert" config:"path" example:"tls/cert.pem"`
	Key   string `yaml:"key" config:"path" example:"tls/key.pem"`
	Proxy bool   `yaml:"proxy"` // a proxy in front ends TLS: speak plain HTTP
}

// Cleartext reports whether the listener speaks plain HTTP: behind a proxy, or where its
// URL says so, which is allowed only on loopback.
func (f Front) Cleartext() bool { return f.TLS.Proxy || schemeOf(f.URL) == "http" }

// Base returns the path that the listener's pages live under, "" for the root of
// its host.
func (f Front) Base() string {
	u, err := url.Parse(f.URL)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.Path, "/")
}

// Proxies returns the networks of public.trusted_proxies; Check has validated them.
func (p Public) Proxies() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range p.TrustedProxies {
		if n, err := parseNetwork(s); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// parseNetwork reads an address, or a network as in 10.0.0.0/8.
func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Prefix(a.BitLen())
	}
	return netip.ParsePrefix(s)
}
