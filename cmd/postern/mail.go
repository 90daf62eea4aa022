package main

import (
	"context"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// newSMTP returns the sender of mail that cfg asks for.
func newSMTP(cfg *config.Config) (*delivery.SMTP, error) {
	s := cfg.Mail.SMTP
	roots, err := config.Roots(s.CA)
	if err != nil {
		return nil, err
	}
	return delivery.NewSMTP(delivery.SMTPConfig{
		Host: s.Host, Port: s.Port, TLS: delivery.TLSMode(s.TLS), Hello: s.Hello, Roots: roots,
		Auth: delivery.AuthMode(s.Auth), Username: s.Username, Password: s.Password, Token: mailTokens(cfg),
		From: cfg.Mail.From, ReplyTo: cfg.Brand.SupportEmail,
	})
}

// mailTokens returns where access tokens for the mail server come from: the
// provider's endpoint, or the file of mail.smtp.password, which another program
// keeps fresh and which is read for each mail.
func mailTokens(cfg *config.Config) delivery.TokenSource {
	o := cfg.Mail.SMTP.OAuth2
	if o.TokenURL != "" {
		return delivery.OAuth2{
			TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, RefreshToken: o.RefreshToken, Scopes: o.Scopes,
		}.Tokens()
	}
	return func(context.Context, bool) (issuance.Secret, error) {
		token, err := cfg.Secret("mail.smtp.password")
		if err != nil {
			return token, &delivery.SendError{Pause: true, Message: "the access token cannot be read: " + err.Error()}
		}
		return token, nil
	}
}

// timeoutOf returns how long one try to send may last; 0 for a courier's usual
// time. A mail server has a limit for each of its answers (RFC 5321, section
// 4.5.3.2), and they add up.
func timeoutOf(channel issuance.Channel) time.Duration {
	if channel == issuance.Mail {
		return delivery.SMTPTimeout()
	}
	return 0
}
