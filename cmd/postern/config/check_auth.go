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
		k.say("auth.listen", "is reached from other machines, without TLS", "listen on 127.0.0.1, or give auth.url with https")
	} else if plain && (k.Auth.TLS.Cert != "" || k.Auth.ByCertificate()) {
		k.say("auth.url", "is plain http, and a certificate is wanted there", "write it with https")
	}
	for i, c := range k.Auth.Callers {
		k.caller(fmt.Sprintf("auth.callers[%d].", i), c, k.Auth.Callers[:i])
	}
}

// caller checks one proxy; before are those that stand above it.
func (k checker) caller(prefix string, c Caller, before []Caller) {
	k.label(prefix+"name", c.Name)
	switch {
	case c.Secret.Empty() && len(c.Services) == 0:
		k.say(prefix+"secret", "is not set, and there are no services", "give the proxy a secret, best as secret_file, or services whose certificates it may show")
	case !c.Secret.Empty() && len(c.Services) > 0:
		k.say(prefix+"services", "is set, and a secret too", "keep one of the two: the proxy proves who it is in one way")
	case !c.Secret.Empty() && len(c.Secret.Reveal()) < leastSecret:
		k.say(prefix+"secret", fmt.Sprintf("is shorter than %d characters", leastSecret), "make one with `openssl rand -hex 32`")
	case strings.ContainsFunc(string(c.Secret.Reveal()), func(r rune) bool { return r <= ' ' || r > '~' }):
		k.say(prefix+"secret", "has a blank or a character that is not ASCII in it", "make one with `openssl rand -hex 32`")
	case c.Secret.Empty() && k.Auth.Listen == "":
		k.say(prefix+"services", "is set, and auth.listen is not", "set auth.listen: the admin listener takes a secret alone")
	}
	for _, b := range before {
		if c.Name == b.Name {
			k.say(prefix+"name", "is given twice: "+quoted(c.Name), "give each caller a name of its own")
		}
		if !c.Secret.Empty() && c.Secret.Equal(b.Secret) {
			k.say(prefix+"secret", "is that of "+quoted(b.Name)+" too", "give each caller a secret of its own")
		}
		for _, s := range c.Services {
			if slices.Contains(b.Services, s) {
				k.say(prefix+"services", quoted(s)+" is one of "+quoted(b.Name)+" too", "name each service for one caller")
			}
		}
	}
	k.services(prefix+"services", c.Services)
	k.callerHeader(prefix, c)
	if c.UpstreamBy != "" {
		k.oneOf(prefix+"upstream_by", c.UpstreamBy, "query", "header")
	}
	if len(c.Upstreams) > 1 && c.Format == string(auth.Envoy) && c.UpstreamBy != "header" {
		k.say(prefix+"upstream_by", "is not header, and Envoy hands its clients' query on", "set it to header, and have Envoy add Postern-Upstream (headers_to_add)")
	}
	for i, u := range c.Upstreams {
		k.upstream(fmt.Sprintf("%supstreams[%d].", prefix, i), u, c.Upstreams[:i])
	}
}

// callerHeader checks where the client's certificate stands.
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
		k.say(prefix+"header", quoted(c.Header)+" is not a header's name", "use letters, digits and hyphens, as in X-SSL-Client-Cert")
	case slices.Contains([]string{"authorization", "cookie", "host", strings.ToLower(auth.SecretHeader), strings.ToLower(auth.UpstreamHeader)}, name):
		k.say(prefix+"header", quoted(c.Header)+" has a meaning of its own", "name a header for the certificate alone")
	case slices.Contains([]string{string(auth.Envoy), string(auth.Traefik), string(auth.RFC9440)}, c.Format) && !strings.EqualFold(name, auth.Format(c.Format).Header()):
		k.say(prefix+"header", "is not the one that "+c.Format+" sets", "take it out")
	}
}

// upstream checks one web service; before are those that stand above it.
func (k checker) upstream(prefix string, u Upstream, before []Upstream) {
	k.label(prefix+"name", u.Name)
	for _, b := range before {
		if u.Name == b.Name {
			k.say(prefix+"name", "is given twice: "+quoted(u.Name), "give each upstream a name of its own")
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
		k.say(prefix+"allow_without_certificate", "is set, and the upstream's environment is not test", "take it out; if no production data is behind it, set environment: test")
	}
	for _, o := range u.Organizations {
		if !shortName().MatchString(o) {
			k.say(prefix+"organizations", quoted(o)+" is not the short name of an organisation", "write it as `postern org list` does, as in acme")
		}
	}
	k.services(prefix+"services", u.Services)
}

func (k checker) services(key string, ids []string) {
	for _, id := range ids {
		org, name, ok := strings.Cut(id, ".")
		if !ok || !shortName().MatchString(org) || !shortName().MatchString(name) {
			k.say(key, quoted(id)+" is not a service", "write it as `postern service list` does, as in acme.payments")
		}
	}
}

// label checks a name that stands in a URL or a log.
func (k checker) label(key, name string) {
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(name) {
		k.say(key, quoted(name)+" is not a name", "use letters, digits, hyphens, dots and underscores")
	}
}

func shortName() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`) }
