package config

import (
	"net/mail"
	"strings"

	"github.com/postern-ca/postern/delivery"
)

// signIn checks how Postern signs in at the mail server.
func (k checker) signIn(s SMTP) {
	k.oneOf("mail.smtp.auth", s.Auth, "password", "xoauth2")
	switch {
	case s.TLS == "none" && s.Username != "" && !loopback(s.Host):
		k.say("mail.smtp.tls", "the password would travel in the clear", "set starttls or implicit")
	case s.Auth == "xoauth2":
		k.xoauth2(s)
	case s.OAuth2.set():
		k.say("mail.smtp.auth", "is "+s.Auth+", and mail.smtp.oauth2 is set", "set mail.smtp.auth to xoauth2, or take oauth2 out")
	case s.Username != "" && s.Password.Empty():
		k.say("mail.smtp.password", "is not set, and mail.smtp.username is", "give the password, best as mail.smtp.password_file, or take username out")
	case s.Username == "" && !s.Password.Empty():
		k.say("mail.smtp.username", "is not set, and mail.smtp.password is", "give the user name, or take password out")
	}
	if s.Hello != "" && !delivery.IsHelloName(s.Hello) {
		k.say("mail.smtp.hello", quoted(s.Hello)+" is not a name that EHLO can give", "give this host's full name, as in certs.example.com, or an address as in [203.0.113.7]")
	}
}

// set reports whether any of o's keys is.
func (o OAuth2) set() bool {
	return o.TokenURL != "" || o.ClientID != "" || !o.ClientSecret.Empty() || !o.RefreshToken.Empty()
}

// xoauth2 wants the mailbox and its access token, or what one is got with.
func (k checker) xoauth2(s SMTP) {
	k.need("mail.smtp.username", s.Username, "give the address of the mailbox that the token is for")
	o := s.OAuth2
	switch {
	case !o.set() && s.Password.Empty():
		k.say("mail.smtp.password", "is not set, nor is mail.smtp.oauth2", "name the file that has the access token with mail.smtp.password_file, or say with mail.smtp.oauth2 where tokens come from")
	case !o.set():
	case !s.Password.Empty():
		k.say("mail.smtp.password", "is set, and mail.smtp.oauth2 too", "keep one of the two")
	default:
		k.oauth2(o)
	}
}

func (k checker) oauth2(o OAuth2) {
	const key = "mail.smtp.oauth2."
	if hint := "give the provider's token endpoint, as in https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"; k.need(key+"token_url", o.TokenURL, hint) {
		k.endpoint(key+"token_url", o.TokenURL, hint)
	}
	k.need(key+"client_id", o.ClientID, "give the identifier that the provider gave the application")
	if o.ClientSecret.Empty() && o.RefreshToken.Empty() {
		k.say(key+"client_secret", "is not set, nor is "+key+"refresh_token", "give the application's secret, best as "+key+"client_secret_file")
	}
}

// mailbox checks an address that mail goes to or comes from. Its domain need not
// be in ASCII.
func (k checker) mailbox(key, s, hint string) {
	a, err := mail.ParseAddress(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		k.say(key, quoted(s)+" is not an e-mail address", hint)
		return
	}
	ascii, err := delivery.ASCIIAddress(a.Address)
	switch {
	case err != nil:
		message, hint := told(err)
		k.say(key, message, hint)
	case strings.ContainsFunc(ascii, func(r rune) bool { return r <= ' ' || r > '~' }):
		k.say(key, quoted(s)+" is not an e-mail address", hint)
	}
}
