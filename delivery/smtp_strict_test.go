package delivery

import (
	"context"
	"net/mail"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

// TestMailThroughStrictServers: these take no command but as RFC 5321 writes it.
func TestMailThroughStrictServers(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	plain := func(c *SMTPConfig) { c.TLS, c.Username, c.Password = NoTLS, "", issuance.Secret{} }
	for name, strict := range map[string]struct {
		start  func(testing.TB) *smtptest.Server
		change func(*SMTPConfig)
	}{
		"Postfix with STARTTLS and AUTH": {smtptest.NewPostfix, func(*SMTPConfig) {}},
		"OpenSMTPD":                      {smtptest.NewOpenSMTPD, plain},
	} {
		t.Run(name, func(t *testing.T) {
			server := strict.start(t)
			for _, hello := range []string{"certs.bank.example", ""} {
				sender := mailSender(t, server.Port, server.Roots, func(c *SMTPConfig) {
					c.Hello = hello
					strict.change(c)
				})
				if _, err := sender.Send(t.Context(), m); err != nil {
					t.Fatalf("EHLO %q: %v", hello, err)
				}
				kept := server.Next()
				if diff := cmp.Diff([]string{smtptest.Sender, m.To}, append([]string{kept.From}, kept.To...)); diff != "" {
					t.Errorf("EHLO %q: envelope (-want +got):\n%s", hello, diff)
				}
				checkMail(t, m, kept.Data)
			}
		})
	}
}

// TestMailRefusedByPostfix: Postfix answers most of it to RCPT (smtpd_delay_reject),
// where only what concerns the recipient may give the message up.
func TestMailRefusedByPostfix(t *testing.T) {
	server := smtptest.NewPostfix(t)
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	for _, c := range []struct {
		name   string
		change func(*SMTPConfig)
		want   SendError
		says   string
	}{
		{"bare host in EHLO", func(c *SMTPConfig) { c.Hello = "certs" }, SendError{Pause: true}, "504 to RCPT TO: 5.5.2 <certs>: Helo command rejected: need fully-qualified hostname; set mail.smtp.hello"},
		{"another's address", func(c *SMTPConfig) { c.From = "ceo@bank.example" }, SendError{Pause: true}, "553 to RCPT TO: 5.7.1 <the address>: Sender address rejected: not owned by user postern; check mail.from"},
		{"without AUTH", func(c *SMTPConfig) {
			c.Username, c.Password, c.From = "", issuance.Secret{}, "other@bank.example"
		}, SendError{Pause: true}, "554 to RCPT TO: 5.7.1 <the address>: Relay access denied; it does not accept mail for other domains"},
		{"wrong password", func(c *SMTPConfig) { c.Password = issuance.NewSecret([]byte("wrong")) }, SendError{Pause: true}, "535 to AUTH; check mail.smtp.username"},
		{"without TLS", func(c *SMTPConfig) { c.TLS, c.Username, c.Password = NoTLS, "", issuance.Secret{} }, SendError{Pause: true}, "mail.smtp.tls"},
		{"unknown CA", func(c *SMTPConfig) { c.Roots = nil }, SendError{Pause: true}, "mail.smtp.ca"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sender := mailSender(t, server.Port, server.Roots, func(config *SMTPConfig) { config.Hello = "certs.bank.example" })
			c.change(&sender.config)
			from, err := mail.ParseAddress(sender.config.From)
			if err != nil {
				t.Fatal(err)
			}
			sender.from = from
			checkRefusal(t, sender, m, c.want, c.says)
		})
	}
	t.Run("no such recipient", func(t *testing.T) {
		nobody := m
		nobody.To = "nobody@acme.example"
		checkRefusal(t, mailSender(t, server.Port, server.Roots, nil), nobody, SendError{Permanent: true}, "correct the contact's e-mail address")
	})
}

func TestMailSignsInWithAToken(t *testing.T) {
	server := smtptest.NewPostfix(t)
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	token := smtptest.Token
	sender := mailSender(t, server.Port, server.Roots, func(c *SMTPConfig) {
		c.Auth, c.Password = XOAUTH2, issuance.Secret{}
		c.Token = func(context.Context, bool) (issuance.Secret, error) { return issuance.NewSecret([]byte(token)), nil }
	})
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	server.Next()
	token = "expired-t0ken-0123456789"
	checkRefusal(t, sender, m, SendError{Pause: true}, "535 to AUTH")
	token = smtptest.Token // it is asked for afresh
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	server.Next()
}
