package config

import (
	"net/mail"
	"strings"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// signIn checks how Postern signs in at the mail server.
func (k checker) signIn(s SMTP) {
	k.oneOf("mail.smtp.auth", s.Auth, "password", "xoauth2")
	switch {
	case s.TLS == "none" && s.Username != "" && !issuance.IsLoopback(s.Host):
		k.say("mail.smtp.tls", "the password would be sent unencrypted", "set starttls or implicit")
	case s.Auth == "xoauth2":
		k.xoauth2(s)
	case s.OAuth2.set():
		k.say("mail.smtp.auth", "is "+s.Auth+", and mail.smtp.oauth2 is set", "set mail.smtp.auth to xoauth2, or remove oauth2")
	case s.Username != "" && s.Password.Empty():
		k.say("mail.smtp.password", "is not set, but mail.smtp.username is",
			"set the password, preferably as mail.smtp.password_file, or remove username")
	case s.Username == "" && !s.Password.Empty():
		k.say("mail.smtp.username", "is not set, but mail.smtp.password is", "set the user name, or remove password")
	}
	if s.Hello != "" && !delivery.IsHelloName(s.Hello) {
		k.say("mail.smtp.hello", quoted(s.Hello)+" cannot be used in EHLO",
			"use the full name of this host, for example certs.example.com, or an address such as [203.0.113.7]")
	}
}

// set reports whether any of o's keys is.
func (o OAuth2) set() bool {
	return o.TokenURL != "" || o.ClientID != "" || !o.ClientSecret.Empty() || !o.RefreshToken.Empty()
}

// xoauth2 requires the mailbox and its access token, or the means to get one.
func (k checker) xoauth2(s SMTP) {
	k.need("mail.smtp.username", s.Username, "set the address of the mailbox that the token is for")
	o := s.OAuth2
	switch {
	case !o.set() && s.Password.Empty():
		k.say("mail.smtp.password", "is not set, and neither is mail.smtp.oauth2",
			"set mail.smtp.password_file to the file with the access token, or configure mail.smtp.oauth2")
	case !o.set():
	case !s.Password.Empty():
		k.say("mail.smtp.password", "is set, but so is mail.smtp.oauth2", "keep one of the two")
	default:
		k.oauth2(o)
	}
}

func (k checker) oauth2(o OAuth2) {
	const key = "mail.smtp.oauth2."
	if hint := "set the provider's token endpoint, for example " +
		"https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"; k.need(key+"token_url", o.TokenURL, hint) {
		k.endpoint(key+"token_url", o.TokenURL, hint)
	}
	k.need(key+"client_id", o.ClientID, "set the client id that the provider assigned to the application")
	if o.ClientSecret.Empty() && o.RefreshToken.Empty() {
		k.say(key+"client_secret", "is not set, nor is "+key+"refresh_token",
			"set the application's secret, preferably as "+key+"client_secret_file")
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
