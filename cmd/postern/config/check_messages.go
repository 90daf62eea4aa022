package config

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

func (k checker) mail() {
	k.oneOf("mail.provider", k.Mail.Provider, "smtp", "outbox")
	if k.Mail.From != "" || k.Mail.Provider == "smtp" {
		if hint := "set the sender, for example Postern <certificates@example.com>"; k.need("mail.from", k.Mail.From, hint) {
			k.mailbox("mail.from", k.Mail.From, hint)
		}
	}
	if k.Mail.Provider != "smtp" {
		return
	}
	s := k.Mail.SMTP
	if k.need("mail.smtp.host", s.Host, "set the mail server, or set mail.provider to outbox for a trial") &&
		strings.ContainsFunc(s.Host, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/:@", r) }) &&
		net.ParseIP(s.Host) == nil {
		k.say("mail.smtp.host", quoted(s.Host)+" is not a host name", "use only the name; the port belongs in mail.smtp.port")
	}
	if s.Port < 1 || s.Port > 65535 {
		k.say("mail.smtp.port", strconv.Itoa(s.Port)+" is not a port", "use 587 for starttls or 465 for implicit")
	}
	k.oneOf("mail.smtp.tls", s.TLS, "starttls", "implicit", "none")
	k.signIn(s)
}

func (k checker) sms() {
	k.oneOf("sms.provider", k.SMS.Provider, "twilio", "webhook", "outbox")
	for _, country := range k.SMS.Countries {
		if err := delivery.CheckCountry(country); err != nil {
			message, hint := told(err)
			k.say("sms.countries", message, hint)
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
	hint := "copy it from Twilio's console: AC and 32 hexadecimal digits"
	if k.need("sms.twilio.account_sid", t.AccountSID, hint) &&
		!regexp.MustCompile(`^AC[0-9a-f]{32}$`).MatchString(t.AccountSID) {
		k.say("sms.twilio.account_sid", "is not an account SID", hint)
	}
	k.twilioCredentials(t)
	if t.MessagingServiceSID == "" {
		k.need("sms.twilio.from", t.From, "set the number or name that messages come from, or sms.twilio.messaging_service_sid")
	} else if !regexp.MustCompile(`^MG[0-9a-f]{32}$`).MatchString(t.MessagingServiceSID) {
		k.say("sms.twilio.messaging_service_sid", "is not a messaging service SID",
			"copy it from Twilio's console: MG and 32 hexadecimal digits")
	}
	if t.From != "" && !regexp.MustCompile(`^(\+[1-9][0-9]{4,14}|[0-9]{3,8}|[A-Za-z0-9 ]{1,11})$`).MatchString(t.From) {
		k.say("sms.twilio.from", quoted(t.From)+" is not a sender",
			"use a number such as +41791234567, or a name of at most 11 letters and digits")
	}
	if k.need("sms.twilio.base_url", t.BaseURL, "use https://api.twilio.com") {
		k.url("sms.twilio.base_url", t.BaseURL, true)
	}
}

// twilioCredentials requires the account's token or an API key, not both.
func (k checker) twilioCredentials(t Twilio) {
	const hint = "copy it from Twilio's console, under API keys: SK and 32 hexadecimal digits"
	switch {
	case t.APIKey != "" && !regexp.MustCompile(`^SK[0-9a-f]{32}$`).MatchString(t.APIKey):
		k.say("sms.twilio.api_key", "is not an API key SID", hint)
	case t.APIKey == "" && !t.APIKeySecret.Empty():
		k.say("sms.twilio.api_key", "is not set, but sms.twilio.api_key_secret is", hint)
	case t.APIKey != "" && t.APIKeySecret.Empty():
		k.say("sms.twilio.api_key_secret", "is not set, but sms.twilio.api_key is",
			"set the secret that Twilio showed when the key was created, preferably as sms.twilio.api_key_secret_file")
	case t.APIKey != "" && !t.AuthToken.Empty():
		k.say("sms.twilio.auth_token", "is set, but so is sms.twilio.api_key", "keep one of the two")
	case t.APIKey == "" && t.AuthToken.Empty():
		k.say("sms.twilio.auth_token", "is not set, and neither is sms.twilio.api_key",
			"copy it from Twilio's console, preferably into a file for sms.twilio.auth_token_file; in the "+
				"environment: POSTERN_SMS_TWILIO_AUTH_TOKEN_FILE")
	}
}

func (k checker) webhook(w Webhook) {
	if k.need("sms.webhook.url", w.URL, "set the gateway's address") {
		k.endpoint("sms.webhook.url", w.URL, "use the complete URL, for example https://sms.example.com/send")
	}
	k.oneOf("sms.webhook.method", w.Method, "POST", "PUT")
	k.need("sms.webhook.body", w.Body, "set the body that the gateway expects")
}

// endpoint checks the address of a program that is sent secrets.
func (k checker) endpoint(key, address, hint string) {
	k.endpointSaying(key, address, addressHints{
		complete: hint, user: "remove it: credentials have their own keys",
		https: "use https, because secrets are sent there; http is only for localhost",
	})
}

// addressHints say what to do about an address that cannot be used.
type addressHints struct{ complete, user, https string }

func (k checker) endpointSaying(key, address string, hints addressHints) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		k.say(key, "is not an address", hints.complete)
	case u.User != nil:
		k.say(key, "has a user name in it", hints.user)
	case u.Scheme != "https" && (u.Scheme != "http" || !issuance.IsLoopback(u.Hostname())):
		k.say(key, "is not https", hints.https)
	}
}

// outbox keeps messages with codes and links from everyone but this machine.
func (k checker) outbox() {
	key := ""
	switch "outbox" {
	case k.Mail.Provider:
		key = "mail.provider"
	case k.SMS.Provider:
		key = "sms.provider"
	}
	if key != "" && k.Admin.Listen != "" && !loopbackListen(k.Admin.Listen) {
		k.say("admin.listen", "is reachable from other machines, but "+key+" shows every link, code and password on "+
			"its outbox page", "listen on 127.0.0.1, or send real messages")
	}
}
