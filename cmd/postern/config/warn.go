package config

import "net/url"

// Warnings returns what is allowed and seldom meant.
func (c *Config) Warnings() []Problem {
	p := new(problems)
	k := checker{c, p}
	u, err := url.Parse(c.Public.URL)
	switch {
	case c.Public.TLS.Proxy && len(c.Public.TrustedProxies) == 0:
		k.say("public.trusted_proxies", "is not set, but public.tls.proxy is",
			"set the proxy's address: otherwise all contacts share one address, and one of them can use up the attempts of all")
	case err == nil && u.Scheme == "https" && !c.Public.TLS.Proxy && c.Public.TLS.Cert == "" && !loopback(u.Hostname()):
		k.say("public.tls.cert", "is not set: the certificate of "+u.Hostname()+" comes from Postern's own CA",
			"browsers will warn contacts: use a certificate from a public CA, or put a proxy with one in front")
	}
	return p.found
}
