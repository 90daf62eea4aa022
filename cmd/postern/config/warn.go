package config

import "net/url"

// Warnings returns what is allowed and seldom meant.
func (c *Config) Warnings() []Problem {
	p := new(problems)
	k := checker{c, p}
	u, err := url.Parse(c.Public.URL)
	switch {
	case c.Public.TLS.Proxy && len(c.Public.TrustedProxies) == 0:
		k.say("public.trusted_proxies", "is not set, and public.tls.proxy is",
			"give the proxy's address: without it all contacts count as one address, and one of them can use up what all may try")
	case err == nil && u.Scheme == "https" && !c.Public.TLS.Proxy && c.Public.TLS.Cert == "" && !loopback(u.Hostname()):
		k.say("public.tls.cert", "is not set: the certificate of "+u.Hostname()+" comes from Postern's own CA",
			"browsers warn contacts of it: give the certificate of a public CA, or put a proxy with one in front")
	}
	return p.found
}
