package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/auth"
)

// leastSecret is how long a proxy's secret must be: nobody types it.
const leastSecret = 16

// auth checks the listener for proxies, and who may ask there.
func (k checker) auth() {
	if k.Auth.Listen != "" {
		k.listen("auth.listen", k.Auth.Listen)
	}
	k.pair("auth", k.Auth.TLS.Cert, k.Auth.TLS.Key)
	if k.Auth.URL != "" {
		k.url("auth.url", k.Auth.URL, true)
	}
	if plain := k.Auth.Cleartext(); plain && k.Auth.Listen != "" && !loopbackListen(k.Auth.Listen) {
		k.say("auth.listen", "is reachable from other machines without TLS", "listen on 127.0.0.1, or give auth.url with https")
	} else if plain && (k.Auth.TLS.Cert != "" || k.Auth.ByCertificate()) {
		k.say("auth.url", "is plain http, but a certificate is configured for it", "use https")
	}
	for i, c := range k.Auth.Callers {
		k.caller(fmt.Sprintf("auth.callers[%d].", i), c, k.Auth.Callers[:i])
	}
}

// caller checks one proxy; before are those above it in the file.
func (k checker) caller(prefix string, c Caller, before []Caller) {
	k.label(prefix+"name", c.Name)
	switch {
	case c.Secret.Empty() && len(c.Services) == 0:
		k.say(prefix+"secret", "is not set, and there are no services",
			"set a secret for the proxy, preferably as secret_file, or services whose certificates it may show")
	case !c.Secret.Empty() && len(c.Services) > 0:
		k.say(prefix+"services", "is set, but so is a secret", "keep one of the two: the proxy authenticates in one way")
	case !c.Secret.Empty() && len(c.Secret.Reveal()) < leastSecret:
		k.say(prefix+"secret", fmt.Sprintf("is shorter than %d characters", leastSecret), "make one with `openssl rand -hex 32`")
	case strings.ContainsFunc(string(c.Secret.Reveal()), func(r rune) bool { return r <= ' ' || r > '~' }):
		k.say(prefix+"secret", "contains a space or a non-ASCII character", "make one with `openssl rand -hex 32`")
	case c.Secret.Empty() && k.Auth.Listen == "":
		k.say(prefix+"services", "is set, but auth.listen is not", "set auth.listen: the admin listener accepts only secrets")
	}
	for _, b := range before {
		if c.Name == b.Name {
			k.say(prefix+"name", "appears twice: "+quoted(c.Name), "use a different name for each caller")
		}
		if !c.Secret.Empty() && c.Secret.Equal(b.Secret) {
			k.say(prefix+"secret", "is that of "+quoted(b.Name)+" too", "use a different secret for each caller")
		}
		for _, s := range c.Services {
			if slices.Contains(b.Services, s) {
				k.say(prefix+"services", quoted(s)+" is one of "+quoted(b.Name)+" too", "list each service for one caller only")
			}
		}
	}
	k.services(prefix+"services", c.Services)
	k.callerHeader(prefix, c)
	if c.UpstreamBy != "" {
		k.oneOf(prefix+"upstream_by", c.UpstreamBy, "query", "header")
	}
	if len(c.Upstreams) > 1 && c.Format == string(auth.Envoy) && c.UpstreamBy != "header" {
		k.say(prefix+"upstream_by", "is not header, but Envoy passes on its clients' query",
			"set it to header, and configure Envoy to add Postern-Upstream (headers_to_add)")
	}
	for i, u := range c.Upstreams {
		k.upstream(fmt.Sprintf("%supstreams[%d].", prefix, i), u, c.Upstreams[:i])
	}
}

// callerHeader checks the header with the client's certificate.
func (k checker) callerHeader(prefix string, c Caller) {
	formats := make([]string, 0, len(auth.Formats()))
	for _, f := range auth.Formats() {
		formats = append(formats, string(f))
	}
	k.oneOf(prefix+"format", c.Format, formats...)
	if c.Header == "" {
		return
	}
	switch name := strings.ToLower(c.Header); {
	case !regexp.MustCompile(`^[a-z0-9-]{1,64}$`).MatchString(name):
		k.say(prefix+"header", quoted(c.Header)+" is not a header name",
			"use letters, digits and hyphens, for example X-SSL-Client-Cert")
	case slices.Contains([]string{
		"authorization", "cookie", "host", strings.ToLower(auth.SecretHeader), strings.ToLower(auth.UpstreamHeader),
	}, name):
		k.say(prefix+"header", quoted(c.Header)+" has another meaning", "use a header that is only for the certificate")
	case slices.Contains([]string{string(auth.Envoy), string(auth.Traefik), string(auth.RFC9440)}, c.Format) &&
		!strings.EqualFold(name, auth.Format(c.Format).Header()):
		k.say(prefix+"header", "is not the one that "+c.Format+" sets", "remove it")
	}
}

// upstream checks one web service; before are those above it in the file.
func (k checker) upstream(prefix string, u Upstream, before []Upstream) {
	k.label(prefix+"name", u.Name)
	for _, b := range before {
		if u.Name == b.Name {
			k.say(prefix+"name", "appears twice: "+quoted(u.Name), "use a different name for each upstream")
		}
	}
	environments := []string{string(issuance.Production), string(issuance.Test)}
	if u.Environment != "" {
		k.oneOf(prefix+"environment", u.Environment, environments...)
	}
	for _, e := range u.Environments {
		k.oneOf(prefix+"environments", e, environments...)
	}
	if u.AllowWithoutCertificate && u.Environment != string(issuance.Test) {
		k.say(prefix+"allow_without_certificate", "is set, but the upstream's environment is not test",
			"remove it; if there is no production data behind it, set environment: test")
	}
	for _, o := range u.Organizations {
		if !shortName().MatchString(o) {
			k.say(prefix+"organizations", quoted(o)+" is not the short name of an organisation",
				"write it as `postern org list` does, for example acme")
		}
	}
	k.services(prefix+"services", u.Services)
}

func (k checker) services(key string, ids []string) {
	for _, id := range ids {
		org, name, ok := strings.Cut(id, ".")
		if !ok || !shortName().MatchString(org) || !shortName().MatchString(name) {
			k.say(key, quoted(id)+" is not a service", "write it as `postern service list` does, for example acme.payments")
		}
	}
}

// label checks a name that is used in a URL or a log.
func (k checker) label(key, name string) {
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(name) {
		k.say(key, quoted(name)+" is not a name", "use letters, digits, hyphens, dots and underscores")
	}
}

func shortName() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`) }
