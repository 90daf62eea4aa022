package config

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/postern-ca/postern/issuance"
)

// checker looks at a configuration and reports what is wrong.
type checker struct {
	*Config
	p *problems
}

// check reports values that are wrong by themselves or together with others.
func (c *Config) check(p *problems) {
	k := checker{c, p}
	k.need("data", c.Data, "set the directory that holds all data")
	k.public(c.Public)
	k.front("admin", c.Admin)
	k.plain()
	k.mtls()
	k.auth()
	k.clashes()
	k.oneOf("storage.driver", c.Storage.Driver, "bolt")
	k.authority()
	k.mail()
	k.sms()
	k.outbox()
	k.policy()
	k.phoneRegion()
	k.reports()
	k.clock()
	k.backup()
	k.audit()
	k.brand()
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
}

// say reports that key is wrong, at the place where it was set.
func (k checker) say(key, message, hint string) {
	where := k.origins[key]
	for in := key; where == "" && whole(in) != ""; in = whole(in) {
		entry, _, _ := strings.Cut(in[len(whole(in)):], ".")
		where = cmp.Or(k.origins[whole(in)+entry], k.origins[whole(in)])
	}
	if where == "" {
		where = k.file
	}
	k.p.add(Problem{where, key, message, hint})
}

// need reports an empty value, and returns whether there is one.
func (k checker) need(key, value, hint string) bool {
	if value == "" {
		k.say(key, "is not set", hint+"; in the environment: "+variableOf(key))
	}
	return value != ""
}

func (k checker) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		k.say(key, quoted(value)+" is not known", "choose "+strings.Join(allowed, " or "))
	}
}

func (k checker) within(key string, d, least, most time.Duration) {
	if d < least || d > most {
		k.say(key, formatDuration(d)+" is out of range", "use a value between "+formatDuration(least)+" and "+formatDuration(most))
	}
}

func (k checker) between(key string, n, least, most int) {
	if n < least || n > most {
		k.say(key, strconv.Itoa(n)+" is out of range", "use a value between "+strconv.Itoa(least)+" and "+strconv.Itoa(most))
	}
}

// front checks a listener for browsers.
func (k checker) front(section string, f Front) {
	k.listen(section+".listen", f.Listen)
	if k.need(section+".url", f.URL, "set the address that people use, for example https://certs.example.com") {
		k.url(section+".url", f.URL, true)
	}
	k.pair(section, f.TLS.Cert, f.TLS.Key)
	switch on := loopbackListen(f.Listen); {
	case f.TLS.Proxy && f.TLS.Cert != "":
		k.say(section+".tls.proxy", "is set, and "+section+".tls.cert too",
			"keep proxy if a proxy in front terminates TLS, or cert and key if Postern does")
	case schemeOf(f.URL) == "http" && f.TLS.Cert != "":
		k.say(section+".url", "is plain http, but there is a certificate for it",
			"write it with https, or take "+section+".tls.cert and key out")
	case schemeOf(f.URL) == "http" && !f.TLS.Proxy && !on:
		k.say(section+".listen", "is reachable from other machines without TLS",
			"listen on 127.0.0.1, or give "+section+".url with https")
	}
}

func (k checker) public(p Public) {
	k.front("public", p.Front())
	for _, s := range p.TrustedProxies {
		if _, err := parseNetwork(s); err != nil {
			k.say("public.trusted_proxies", quoted(s)+" is not an address or network", "write it like 10.0.0.7 or 10.0.0.0/8")
		}
	}
	k.between("public.posts_per_minute", p.PostsPerMinute, 1, 1_000_000)
	k.between("public.posts_burst", p.PostsBurst, 1, 1_000_000)
	k.within("public.hsts", p.HSTS, 0, 2*365*24*time.Hour)
}

func (k checker) plain() {
	k.listen("plain.listen", k.Plain.Listen)
	if !k.need("plain.url", k.Plain.URL, "set the address of CRLs and OCSP, for example http://pki.example.com; it "+
		"is part of every certificate and must keep working") {
		return
	}
	if schemeOf(k.Plain.URL) == "https" {
		k.say("plain.url", "is not an http URL", "use a URL like http://pki.example.com: what it serves is signed, "+
			"and a client that fetches a CRL over TLS may need that CRL to do so")
		return
	}
	k.address("plain.url", k.Plain.URL, "http://pki.example.com")
}

func (k checker) mtls() {
	k.listen("mtls.listen", k.MTLS.Listen)
	k.pair("mtls", k.MTLS.TLS.Cert, k.MTLS.TLS.Key)
	if k.MTLS.URL != "" {
		k.url("mtls.url", k.MTLS.URL, false)
	} else if k.Public.URL != "" { // otherwise that is what is missing
		k.need("mtls.url", "", "set the address of the two-way TLS listener, for example https://mtls.example.com:8444")
	}
}

// pair checks that certificate and key come together.
func (k checker) pair(section, cert, key string) {
	switch {
	case cert != "" && key == "":
		k.say(section+".tls.key", "is not set, and "+section+".tls.cert is", "set the file with the certificate's key, or remove cert")
	case cert == "" && key != "":
		k.say(section+".tls.cert", "is not set, and "+section+".tls.key is", "set the file with the certificate, or remove key")
	}
}

func (k checker) authority() {
	domain := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)
	if hint := "use a domain of yours, for example example.com; it is part of every certificate and cannot be " +
		"changed later"; k.need("ca.trust_domain", k.CA.TrustDomain, hint) &&
		(len(k.CA.TrustDomain) > 253 || !domain.MatchString(k.CA.TrustDomain)) {
		k.say("ca.trust_domain", quoted(k.CA.TrustDomain)+" is not a domain name in lower case", hint)
	}
	k.line("ca.organization", k.CA.Organization, 64)
	if k.CA.Passphrase.Empty() {
		k.say("ca.passphrase", "is not set",
			"set the passphrase of the CA's keys, preferably as ca.passphrase_file; in the environment: "+
				"POSTERN_CA_PASSPHRASE_FILE")
	}
	k.within("ca.crl_lifetime", k.CA.CRLLifetime, 10*time.Minute, 30*24*time.Hour)
	if n := k.CA.CRLShards; n != 0 && (n < 2 || n > 1024 || n&(n-1) != 0) {
		k.say("ca.crl_shards", strconv.Itoa(n)+" is not a valid number of shards",
			"use a power of two between 2 and 1024, or 0 for none")
	}
	k.within("ca.ocsp_lifetime", k.CA.OCSPLifetime, 5*time.Second, 24*time.Hour)
}

// line checks text for one line of a page, message or certificate.
func (k checker) line(key, s string, most int) {
	switch n := len([]rune(s)); {
	case n == 0:
		k.need(key, "", "set a name")
	case n > most:
		k.say(key, "is longer than "+strconv.Itoa(most)+" characters", "shorten it")
	case strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\ufffd'
	}):
		k.say(key, "has a line break or an invisible character in it", "type it again, on one line")
	}
}

// policy asks issuance, until it has nothing more to say.
func (k checker) policy() {
	p, standard := k.Policy(), issuance.DefaultPolicy()
	for range 12 {
		e, ok := errors.AsType[*issuance.Error](p.Check())
		if !ok {
			return
		}
		key := "policy." + e.Field
		if e.Field == "validity" {
			key = "ca.validity"
		}
		k.say(key, e.Message, e.Hint)
		switch e.Field { // as if it were corrected, to find the next
		case "validity":
			p.Validity = standard.Validity
		case "code_lifetime":
			p.CodeLifetime = standard.CodeLifetime
		case "code_cooldown":
			p.CodeCooldown = standard.CodeCooldown
		case "link_lifetime":
			p.LinkLifetime = standard.LinkLifetime
		case "approval_lifetime":
			p.ApprovalLifetime = standard.ApprovalLifetime
		case "claim_window":
			p.ClaimWindow = standard.ClaimWindow
		case "cooling_off":
			p.CoolingOff = standard.CoolingOff
		case "reenroll":
			p.Reenroll = standard.Reenroll
		case "code_attempts":
			p.CodeAttempts = min(standard.CodeAttempts, max(1, p.OrderAttempts))
		case "order_attempts":
			p.OrderAttempts = max(standard.OrderAttempts, p.CodeAttempts)
		case "codes_per_day":
			p.CodesPerDay = standard.CodesPerDay
		default:
			return
		}
	}
}

func (k checker) brand() {
	k.line("brand.name", k.Brand.Name, 64)
	if k.Brand.Colour != "" && !regexp.MustCompile(`^#[0-9a-fA-F]{6}$`).MatchString(k.Brand.Colour) {
		k.say("brand.colour", quoted(k.Brand.Colour)+" is not a colour", "write it in quotes, for example \"#0f5c8c\"")
	}
	if k.Brand.SupportEmail != "" {
		k.mailbox("brand.support_email", k.Brand.SupportEmail, "use one address, for example support@example.com")
	}
	if k.Brand.SupportPhone != "" {
		k.line("brand.support_phone", k.Brand.SupportPhone, 64)
	}
}
