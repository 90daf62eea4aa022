package config

import (
	"github.com/postern-ca/postern/issuance"
)

// Auth is the check of client certificates for proxies: a separate listener, if there
// are callers and Listen is not empty, and /auth on the admin listener.
type Auth struct {
	Listen  string   `yaml:"listen"`
	URL     string   `yaml:"url" example:"https://auth.example.com:9444"`
	TLS     MTLSTLS  `yaml:"tls"`
	Callers []Caller `yaml:"callers"`
}

// Caller is a proxy that may ask.
type Caller struct {
	Name       string          `yaml:"name"`
	Secret     issuance.Secret `yaml:"secret"`
	Services   []string        `yaml:"services"` // whose certificates prove that it is this proxy
	Format     string          `yaml:"format"`
	Header     string          `yaml:"header"`
	UpstreamBy string          `yaml:"upstream_by"` // query or header; empty: query
	Upstreams  []Upstream      `yaml:"upstreams"`
}

// Upstream is a web service behind a proxy, and which clients it lets in. An
// empty list lets all in.
type Upstream struct {
	Name          string   `yaml:"name"`
	Environment   string   `yaml:"environment"` // its own; empty: production
	Organizations []string `yaml:"organizations"`
	Services      []string `yaml:"services"`
	Environments  []string `yaml:"environments"`
	// AllowWithoutCertificate is only for an upstream of environment test.
	AllowWithoutCertificate bool `yaml:"allow_without_certificate"`
}

// Serves reports whether the separate listener is wanted.
func (a Auth) Serves() bool { return a.Listen != "" && len(a.Callers) > 0 }

// Cleartext reports whether the listener speaks plain HTTP, which is allowed only on
// loopback.
func (a Auth) Cleartext() bool { return schemeOf(a.URL) == "http" }

// ByCertificate reports whether a caller proves its identity in two-way TLS.
func (a Auth) ByCertificate() bool {
	for _, c := range a.Callers {
		if len(c.Services) > 0 {
			return true
		}
	}
	return false
}

// complete fills in the address: plain HTTP where that is enough.
func (a *Auth) complete() {
	if a.URL != "" || a.Listen == "" {
		return
	}
	a.URL = urlOf("127.0.0.1", a.Listen)
	if loopbackListen(a.Listen) && a.TLS.Cert == "" && !a.ByCertificate() {
		a.URL = "http" + a.URL[min(len(a.URL), len("https")):]
	}
}
