package config

import (
	"cmp"
	"errors"
	"net"
	"net/mail"
	"net/url"
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

// check reports what cannot stand, by itself or beside other keys.
func (c *Config) check(p *problems) {
	k := checker{c, p}
	k.need("data", c.Data, "name the directory that everything is kept in")
	k.public(c.Public)
	k.front("admin", c.Admin)
	k.plain()
	k.mtls()
	k.clashes()
	k.oneOf("storage.driver", c.Storage.Driver, "bolt")
	k.authority()
	k.mail()
	k.sms()
	k.outbox()
	k.policy()
	k.brand()
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
}

// say reports that key is wrong, at the place where it was set.
func (k checker) say(key, message, hint string) {
	where := k.origins[key]
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
		k.say(key, formatDuration(d)+" is out of range", "give between "+formatDuration(least)+" and "+formatDuration(most))
	}
}

// front checks a listener for browsers.
func (k checker) front(section string, f Front) {
	k.listen(section+".listen", f.Listen)
	if k.need(section+".url", f.URL, "give the address that people reach it at, as in https://certs.example.com") {
		k.url(section+".url", f.URL, true)
	}
	k.pair(section, f.TLS.Cert, f.TLS.Key)
	switch on := loopbackListen(f.Listen); {
	case f.TLS.Proxy && f.TLS.Cert != "":
		k.say(section+".tls.proxy", "is set, and "+section+".tls.cert too", "keep proxy if something in front ends TLS, cert and key if Postern does")
	case schemeOf(f.URL) == "http" && f.TLS.Cert != "":
		k.say(section+".url", "is plain http, and there is a certificate for it", "write it with https, or take "+section+".tls.cert and key out")
	case schemeOf(f.URL) == "http" && !f.TLS.Proxy && !on:
		k.say(section+".listen", "is reached from other machines, without TLS", "listen on 127.0.0.1, or give "+section+".url with https")
	}
}

func (k checker) public(p Public) {
	k.front("public", p.Front())
	for _, s := range p.TrustedProxies {
		if _, err := parseNetwork(s); err != nil {
			k.say("public.trusted_proxies", quoted(s)+" is not an address or network", "write it as in 10.0.0.7 or 10.0.0.0/8")
		}
	}
	for key, n := range map[string]int{"public.posts_per_minute": p.PostsPerMinute, "public.posts_burst": p.PostsBurst} {
		if n < 1 || n > 1_000_000 {
			k.say(key, strconv.Itoa(n)+" is out of range", "give between 1 and 1000000")
		}
	}
}

func (k checker) plain() {
	k.listen("plain.listen", k.Plain.Listen)
	if !k.need("plain.url", k.Plain.URL, "give the address of CRLs and OCSP, as in http://pki.example.com; it stands in every certificate and must stay true") {
		return
	}
	if schemeOf(k.Plain.URL) == "https" {
		k.say("plain.url", "is not a plain http address", "give it as in http://pki.example.com: what it serves is signed, and who fetches a CRL over TLS may need that CRL to do so")
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
		k.need("mtls.url", "", "give the address of the listener with two-way TLS, as in https://mtls.example.com:8444")
	}
}

// pair checks that certificate and key come together.
func (k checker) pair(section, cert, key string) {
	switch {
	case cert != "" && key == "":
		k.say(section+".tls.key", "is not set, and "+section+".tls.cert is", "name the file of the certificate's key, or take cert out")
	case cert == "" && key != "":
		k.say(section+".tls.cert", "is not set, and "+section+".tls.key is", "name the file of the certificate, or take key out")
	}
}

// listen checks an address to listen on.
func (k checker) listen(key, address string) {
	hint := "write it as in :8443 or 127.0.0.1:9443"
	if !k.need(key, address, hint) {
		return
	}
	host, port, err := net.SplitHostPort(address)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n > 65535 {
		k.say(key, quoted(address)+" is not an address to listen on", hint)
	} else if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		k.say(key, quoted(host)+" is not an address of this machine", "give an IP address or localhost, or no host for every address")
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
	for i, a := range all {
		for _, b := range all[:i] {
			if clash(a.address, b.address) {
				k.say(a.key, "is the same as "+b.key+": "+b.address, "give each listener a port of its own")
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
	return hostA == hostB || every(hostA) || every(hostB) || loopback(hostA) && loopback(hostB)
}

func every(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func loopbackListen(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopback(host)
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
	if !plain || !loopback(u.Hostname()) {
		k.say(key, quoted(address)+" is not https", "write it with https; http is for localhost alone")
	}
}

// address checks that address is scheme and host and nothing else; nil if not.
func (k checker) address(key, address, example string) *url.URL {
	u, err := url.Parse(address)
	hint := "give scheme and host, as in " + example
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
		k.say(key, quoted(address)+" is not ASCII", "write the host in its ASCII form, as in https://xn--pki-dma.example")
	default:
		return u
	}
	return nil
}

func (k checker) authority() {
	domain := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)
	if hint := "give a domain of yours, as in example.com; it stands in every certificate and cannot be changed later"; k.need("ca.trust_domain", k.CA.TrustDomain, hint) &&
		(len(k.CA.TrustDomain) > 253 || !domain.MatchString(k.CA.TrustDomain)) {
		k.say("ca.trust_domain", quoted(k.CA.TrustDomain)+" is not a domain name in lower case", hint)
	}
	k.line("ca.organization", k.CA.Organization, 64)
	if k.CA.Passphrase.Empty() {
		k.say("ca.passphrase", "is not set", "give the passphrase of the CA's keys, best as ca.passphrase_file; in the environment: POSTERN_CA_PASSPHRASE_FILE")
	}
	k.within("ca.crl_lifetime", k.CA.CRLLifetime, 10*time.Minute, 30*24*time.Hour)
	k.within("ca.ocsp_lifetime", k.CA.OCSPLifetime, 10*time.Second, 24*time.Hour)
}

// line checks text that stands on one line of a page, message or certificate.
func (k checker) line(key, s string, most int) {
	switch n := len([]rune(s)); {
	case n == 0:
		k.need(key, "", "give a name")
	case n > most:
		k.say(key, "is longer than "+strconv.Itoa(most)+" characters", "shorten it")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\ufffd' }):
		k.say(key, "has a line break or an invisible character in it", "type it again, on one line")
	}
}

func (k checker) mail() {
	k.oneOf("mail.provider", k.Mail.Provider, "smtp", "outbox")
	if k.Mail.From != "" || k.Mail.Provider == "smtp" {
		if hint := "give the sender, as in Postern <certificates@example.com>"; k.need("mail.from", k.Mail.From, hint) {
			k.mailbox("mail.from", k.Mail.From, hint)
		}
	}
	for _, to := range k.Reports.To {
		k.mailbox("reports.to", to, "give addresses, as in [pki@example.com]")
	}
	if k.Mail.Provider != "smtp" {
		return
	}
	s := k.Mail.SMTP
	if k.need("mail.smtp.host", s.Host, "name the mail server, or set mail.provider to outbox to try things out") && strings.ContainsFunc(s.Host, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/:@", r) }) && net.ParseIP(s.Host) == nil {
		k.say("mail.smtp.host", quoted(s.Host)+" is not a host name", "give the name alone; the port goes to mail.smtp.port")
	}
	if s.Port < 1 || s.Port > 65535 {
		k.say("mail.smtp.port", strconv.Itoa(s.Port)+" is not a port", "give 587 for starttls, 465 for implicit")
	}
	k.oneOf("mail.smtp.tls", s.TLS, "starttls", "implicit", "none")
	switch {
	case s.Username != "" && s.Password.Empty():
		k.say("mail.smtp.password", "is not set, and mail.smtp.username is", "give the password, best as mail.smtp.password_file, or take username out")
	case s.Username == "" && !s.Password.Empty():
		k.say("mail.smtp.username", "is not set, and mail.smtp.password is", "give the user name, or take password out")
	case s.TLS == "none" && s.Username != "" && !loopback(s.Host):
		k.say("mail.smtp.tls", "the password would travel in the clear", "set starttls or implicit")
	}
}

func (k checker) mailbox(key, s, hint string) {
	a, err := mail.ParseAddress(s)
	if err != nil || strings.ContainsAny(s, "\r\n") || strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		k.say(key, quoted(s)+" is not an e-mail address", hint)
	}
}

func (k checker) sms() {
	k.oneOf("sms.provider", k.SMS.Provider, "twilio", "webhook", "outbox")
	for _, country := range k.SMS.Countries {
		if !regexp.MustCompile(`^[A-Z]{2}$`).MatchString(country) {
			k.say("sms.countries", quoted(country)+" is not a country", "give two capital letters for each, as in [CH, DE, FR]")
		}
	}
	switch k.SMS.Provider {
	case "twilio":
		k.twilio(k.SMS.Twilio)
	case "webhook":
		k.webhook(k.SMS.Webhook)
	}
}

func (k checker) twilio(t Twilio) {
	if hint := "copy it from Twilio's console: AC and 32 hexadecimal digits"; k.need("sms.twilio.account_sid", t.AccountSID, hint) && !regexp.MustCompile(`^AC[0-9a-f]{32}$`).MatchString(t.AccountSID) {
		k.say("sms.twilio.account_sid", "is not an account's SID", hint)
	}
	if t.AuthToken.Empty() {
		k.say("sms.twilio.auth_token", "is not set", "copy it from Twilio's console, best into a file that sms.twilio.auth_token_file names; in the environment: POSTERN_SMS_TWILIO_AUTH_TOKEN_FILE")
	}
	if t.MessagingServiceSID == "" {
		k.need("sms.twilio.from", t.From, "give the number or name that messages come from, or sms.twilio.messaging_service_sid")
	} else if !regexp.MustCompile(`^MG[0-9a-f]{32}$`).MatchString(t.MessagingServiceSID) {
		k.say("sms.twilio.messaging_service_sid", "is not a messaging service's SID", "copy it from Twilio's console: MG and 32 hexadecimal digits")
	}
	if t.From != "" && !regexp.MustCompile(`^(\+[1-9][0-9]{4,14}|[0-9]{3,8}|[A-Za-z0-9 ]{1,11})$`).MatchString(t.From) {
		k.say("sms.twilio.from", quoted(t.From)+" is not a sender", "give a number as in +41791234567, or a name of at most 11 letters and digits")
	}
	if k.need("sms.twilio.base_url", t.BaseURL, "give https://api.twilio.com") {
		k.url("sms.twilio.base_url", t.BaseURL, true)
	}
}

func (k checker) webhook(w Webhook) {
	if k.need("sms.webhook.url", w.URL, "give the gateway's address") {
		u, err := url.Parse(w.URL)
		switch {
		case err != nil || u.Host == "":
			k.say("sms.webhook.url", "is not an address", "give all of it, as in https://sms.example.com/send")
		case u.User != nil:
			k.say("sms.webhook.url", "has a user name in it", "send it as a header: sms.webhook.headers")
		case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
			k.say("sms.webhook.url", "is not https", "one-time passwords travel there: write it with https; http is for localhost alone")
		}
	}
	k.oneOf("sms.webhook.method", w.Method, "POST", "PUT")
	k.need("sms.webhook.body", w.Body, "give the body that the gateway expects")
}

// outbox keeps messages with codes and links from everyone but this machine.
func (k checker) outbox() {
	key := cmp.Or(map[bool]string{true: "mail.provider"}[k.Mail.Provider == "outbox"], map[bool]string{true: "sms.provider"}[k.SMS.Provider == "outbox"])
	if key != "" && k.Admin.Listen != "" && !loopbackListen(k.Admin.Listen) {
		k.say("admin.listen", "is reached from other machines, and "+key+" shows every link, code and password on its outbox page", "listen on 127.0.0.1, or send messages for real")
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
		switch e.Field { // as if it were mended, to find the next
		case "validity":
			p.Validity = standard.Validity
		case "code_lifetime":
			p.CodeLifetime = standard.CodeLifetime
		case "code_cooldown":
			p.CodeCooldown = standard.CodeCooldown
		case "link_lifetime":
			p.LinkLifetime = standard.LinkLifetime
		case "claim_window":
			p.ClaimWindow = standard.ClaimWindow
		case "cooling_off":
			p.CoolingOff = standard.CoolingOff
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
		k.say("brand.colour", quoted(k.Brand.Colour)+" is not a colour", "write it in quotes, as in \"#0f5c8c\"")
	}
	if k.Brand.SupportEmail != "" {
		k.mailbox("brand.support_email", k.Brand.SupportEmail, "give one address, as in support@example.com")
	}
}
