package config

import (
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// Warnings returns settings that are allowed but unsafe or rarely intended.
func (c *Config) Warnings() []Problem {
	p := new(problems)
	k := checker{c, p}
	k.warnPublic()
	k.warnAdmin()
	k.warnMail()
	k.warnKeys()
	return p.found
}

func (k checker) warnPublic() {
	u, err := url.Parse(k.Public.URL)
	switch {
	case k.Public.TLS.Proxy && len(k.Public.TrustedProxies) == 0:
		k.say("public.trusted_proxies", "is not set, but public.tls.proxy is",
			"set the proxy's address: otherwise all contacts share one address, and one of them can use up the attempts of all")
	case err == nil && u.Scheme == "https" && !k.Public.TLS.Proxy && k.Public.TLS.Cert == "" && !issuance.IsLoopback(u.Hostname()):
		k.say("public.tls.cert", "is not set: the certificate of "+u.Hostname()+" comes from Postern's own CA",
			"browsers will warn contacts: use a certificate from a public CA, or put a proxy with one in front")
	}
	if k.Public.trustsAll() {
		k.say("public.trusted_proxies", "includes every address: anybody can claim to come from anywhere, past every limit",
			"name the proxies' own addresses")
	}
}

// mostTrusted are the shortest prefixes that a network of proxies can have: half of the
// Internet is as bad as all of it.
const (
	mostTrusted4 = 8 // as the private 10.0.0.0/8
	mostTrusted6 = 7 // as the private fc00::/7
)

// trustsAll reports whether a trusted network has more than proxies in it.
func (p Public) trustsAll() bool {
	for _, s := range p.TrustedProxies {
		n, err := parseNetwork(s)
		if err == nil && wide(n) {
			return true
		}
	}
	return false
}

func wide(n netip.Prefix) bool {
	if n.Addr().Is4() {
		return n.Bits() < mostTrusted4
	}
	return n.Bits() < mostTrusted6
}

func (k checker) warnAdmin() {
	if k.Admin.TLS.Proxy && !loopbackListen(k.Admin.Listen) {
		k.say("admin.tls.proxy", "is set, and admin.listen is reachable from other machines: "+
			"tokens cross the network unencrypted, and whoever goes around the proxy is let in by them",
			"listen on 127.0.0.1, or give admin.tls a certificate")
	}
}

func (k checker) warnMail() {
	if s := k.Mail.SMTP; k.Mail.Provider == "smtp" && s.TLS == "none" && !issuance.IsLoopback(s.Host) {
		k.say("mail.smtp.tls", "is none: links to certificates cross the network unencrypted", "set starttls or implicit")
	}
}

// warnKeys warns about secrets that others can read, and keys next to what unlocks them.
func (k checker) warnKeys() {
	root := filepath.Join(k.Data, "ca", "root.key")
	if _, err := os.Stat(root); err == nil && !k.CA.Passphrase.Empty() {
		k.say("ca.passphrase", "opens the root's key, which lies beside it: "+root,
			"move root.key to where no network reaches; it is needed only twice a year")
	}
	k.warnReadable("data", filepath.Join(k.Data, "*.passphrase"), filepath.Join(k.Data, "*.token"),
		filepath.Join(k.Data, "ca", "*.key"), filepath.Join(k.Data, "*.db"))
	if k.file == "" {
		return
	}
	for _, l := range k.leaves() {
		if l.secret() && k.secretFiles[l.key] == "" && k.origins[l.key] != "" {
			k.warnReadable(l.key, k.file)
			return
		}
	}
}

// warnReadable reports files, by patterns, that others may read.
func (k checker) warnReadable(key string, patterns ...string) {
	var open []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern) // the pattern is ours
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
				open = append(open, path)
			}
		}
	}
	if len(open) > 0 {
		all := strings.Join(open, " ")
		k.say(key, "has secrets in files that are open to other users: "+all, "chmod o= "+all)
	}
}
