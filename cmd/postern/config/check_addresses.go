package config

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// listen checks an address to listen on.
func (k checker) listen(key, address string) {
	hint := "write it like :8443 or 127.0.0.1:9443"
	if !k.need(key, address, hint) {
		return
	}
	host, port, err := net.SplitHostPort(address)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n > 65535 {
		k.say(key, quoted(address)+" is not an address to listen on", hint)
	} else if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		k.say(key, quoted(host)+" is not an address of this machine", "use an IP address or localhost, or no host for all addresses")
	}
}

// clashes reports listeners on one port.
func (k checker) clashes() {
	all := []struct{ key, address string }{
		{"public.listen", k.Public.Listen},
		{"plain.listen", k.Plain.Listen},
		{"admin.listen", k.Admin.Listen},
		{"mtls.listen", k.MTLS.Listen},
	}
	if k.Auth.Serves() {
		all = append(all, struct{ key, address string }{"auth.listen", k.Auth.Listen})
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if clash(a.address, b.address) {
				k.say(a.key, "is the same as "+b.key+": "+b.address, "use a different port for each listener")
			}
		}
	}
}

func clash(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || every(hostA) || every(hostB) || issuance.IsLoopback(hostA) && issuance.IsLoopback(hostB)
}

func every(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

func loopbackListen(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && issuance.IsLoopback(host)
}

func schemeOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme
}

// url checks an address that people or programs are sent to: https, or http on
// this machine where that is allowed.
func (k checker) url(key, address string, plain bool) {
	u := k.address(key, address, "https://certs.example.com")
	if u == nil || u.Scheme == "https" {
		return
	}
	if !plain || !issuance.IsLoopback(u.Hostname()) {
		k.say(key, quoted(address)+" is not https", "use https; http is only for localhost")
	}
}

// address checks that address is scheme and host and nothing else; nil if not.
func (k checker) address(key, address, example string) *url.URL {
	u, err := url.Parse(address)
	hint := "use scheme and host, for example " + example
	switch {
	case err != nil, u.Host == "", u.Hostname() == "", u.Scheme != "https" && u.Scheme != "http":
		k.say(key, "is not the address of a site", hint)
	case u.User != nil:
		k.say(key, "has a user name in it", hint)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		k.say(key, quoted(address)+" has a ? or # in it", hint)
	case u.Path != "" && u.Path != "/" && !strings.HasPrefix(key, "public.") && !strings.HasPrefix(key, "admin."):
		k.say(key, quoted(address)+" has a path", hint)
	case strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }):
		k.say(key, quoted(address)+" is not ASCII", "write the host in its ASCII form, for example https://xn--pki-dma.example")
	case !k.basePath(key, u):
	default:
		return u
	}
	return nil
}

// ownPaths are the first parts of the paths that Postern's own sites use.
func ownPaths() []string {
	return []string{
		"api", "assets", "auth", "c", "claim", "healthz", "metrics", "my", "ocsp", "outbox", "pki", "readyz", "renew",
		"report", "request",
	}
}

// basePath checks the path that a site lives below. A site is served with the path and
// without it, so that proxies may strip it: it must not begin like one of the site's own
// paths.
func (k checker) basePath(key string, u *url.URL) bool {
	base := strings.TrimSuffix(u.Path, "/")
	if base == "" {
		return true
	}
	parts := strings.Split(base, "/")[1:]
	for _, part := range parts {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, strangeInPath) {
			k.say(key, quoted(u.String())+" has a path that cannot be used",
				"use letters, digits, - and _, for example https://example.com/certs")
			return false
		}
	}
	if slices.Contains(ownPaths(), parts[0]) {
		k.say(key, "begins with /"+parts[0]+", which is one of Postern's own paths",
			"choose another, for example https://example.com/certs")
		return false
	}
	return true
}

func strangeInPath(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
}
