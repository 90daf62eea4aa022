package delivery

import (
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

// mailSender sends by the server on a loopback port, as smtptest.User.
func mailSender(t testing.TB, port int, roots *x509.CertPool, change func(*SMTPConfig)) *SMTP {
	t.Helper()
	c := SMTPConfig{
		Host: "127.0.0.1", Port: port, TLS: StartTLS, Username: smtptest.User, Password: issuance.NewSecret([]byte(smtptest.Password)),
		From: "Example Bank <certificates@bank.example>", ReplyTo: "support@bank.example", Roots: roots,
	}
	if change != nil {
		change(&c)
	}
	sender, err := NewSMTP(c)
	if err != nil {
		t.Fatal(err)
	}
	for p, limit := range sender.limits { // a server that hangs is to fail the test soon
		sender.limits[p] = min(limit, time.Minute)
	}
	return sender
}

func TestMailThroughARealServer(t *testing.T) {
	server := smtptest.New(t)
	sender := mailSender(t, server.Port, server.Roots, nil)
	texts := sampleTexts(t)
	for _, language := range issuance.Languages() {
		m := mustRender(t, texts, sampleDispatch(issuance.InvitationNotice, language))
		var kept [2]smtptest.Mail
		for i := range kept {
			id, err := sender.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if want := string(m.ID) + "@bank.example"; id != want {
				t.Errorf("Message-ID %q, want %q", id, want)
			}
			kept[i] = server.Next()
		}
		if !kept[0].TLS || !kept[0].Authenticated {
			t.Errorf("TLS %v, authenticated %v", kept[0].TLS, kept[0].Authenticated)
		}
		if diff := cmp.Diff([]string{"certificates@bank.example", "anna@acme.example"}, append([]string{kept[0].From}, kept[0].To...)); diff != "" {
			t.Errorf("envelope (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(string(kept[0].Data), string(kept[1].Data)); diff != "" {
			t.Errorf("the mail that was sent again differs (-first +second):\n%s", diff)
		}
		checkMail(t, m, kept[0].Data)
	}
}

// checkMail reads a mail as a mail program does, and compares it with m.
func checkMail(t *testing.T, m Message, data []byte) {
	t.Helper()
	got, err := mail.ReadMessage(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]string{"Subject": subject}
	for _, name := range []string{"From", "To", "Reply-To", "Date", "Message-Id", "Auto-Submitted", "Bcc", "User-Agent"} {
		header[name] = got.Header.Get(name)
	}
	want := map[string]string{
		"Subject": m.Subject, "From": `"Example Bank" <certificates@bank.example>`, "To": "<" + m.To + ">", "Reply-To": "<support@bank.example>",
		"Date": m.Date.Format(time.RFC1123Z), "Message-Id": "<" + string(m.ID) + "@bank.example>", "Auto-Submitted": "auto-generated", "Bcc": "", "User-Agent": "",
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	mediaType, parameters, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/alternative" {
		t.Fatalf("content type %q, %v", mediaType, err)
	}
	parts := multipart.NewReader(got.Body, parameters["boundary"])
	for _, want := range []struct{ mediaType, text string }{
		{"text/plain; charset=UTF-8", string(m.Text.Reveal())},
		{"text/html; charset=UTF-8", string(m.HTML.Reveal())},
	} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		if part.Header.Get("Content-Type") != want.mediaType || part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Errorf("part %v", part.Header)
		}
		if diff := cmp.Diff(want.text, strings.ReplaceAll(string(body), "\r\n", "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.mediaType, diff)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("there is a third part: %v", err)
	}
}

func TestMailToARealServerRefused(t *testing.T) {
	server := smtptest.New(t)
	_, strangers := smtptest.Certificate(t, "127.0.0.1")
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	for _, c := range []struct {
		name   string
		change func(*SMTPConfig)
		want   SendError
		says   string
	}{
		{"wrong password", func(c *SMTPConfig) { c.Password = issuance.NewSecret([]byte("wrong")) }, SendError{Pause: true}, "mail.smtp.password"},
		{"without AUTH", func(c *SMTPConfig) { c.Username, c.Password = "", issuance.Secret{} }, SendError{Pause: true}, "530"},
		{"without TLS", func(c *SMTPConfig) { c.TLS, c.Username, c.Password = NoTLS, "", issuance.Secret{} }, SendError{Pause: true}, "530"},
		{"implicit TLS to a STARTTLS port", func(c *SMTPConfig) { c.TLS = ImplicitTLS }, SendError{Pause: true}, "mail.smtp.tls"},
		{"certificate of a stranger", func(c *SMTPConfig) { c.Roots = strangers }, SendError{Pause: true}, "not trusted"},
		{"certificate for another name", func(c *SMTPConfig) { c.Host = "localhost" }, SendError{Pause: true}, "another name"},
		{"nobody there", func(c *SMTPConfig) { c.Port = 1 }, SendError{}, "cannot be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkRefusal(t, mailSender(t, server.Port, server.Roots, c.change), m, c.want, c.says)
		})
	}
	// None of it broke anything: the next mail arrives, and it is the first.
	if _, err := mailSender(t, server.Port, server.Roots, nil).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if kept := server.Next(); !kept.TLS || !kept.Authenticated {
		t.Errorf("a mail came through without TLS or AUTH: %+v", kept)
	}
}

// checkRefusal has m sent and compares the error with what is expected.
func checkRefusal(t *testing.T, sender Sender, m Message, want SendError, says string) {
	t.Helper()
	id, err := sender.Send(t.Context(), m)
	got, ok := errors.AsType[*SendError](err)
	if !ok || id != "" {
		t.Fatalf("got id %q, error %v, want a SendError", id, err)
	}
	if got.Permanent != want.Permanent || got.Pause != want.Pause || got.Unknown != want.Unknown {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	if !strings.Contains(got.Message, says) || strings.Contains(got.Message, "\n") {
		t.Errorf("error %q does not say %q", got.Message, says)
	}
	if m.leaks(got.Message) || (Message{Secret: issuance.NewSecret([]byte(smtptest.Password))}).leaks(got.Message) {
		t.Errorf("error %q shows a secret", got.Message)
	}
}

func TestSMTPSettings(t *testing.T) {
	good := SMTPConfig{Host: "mail.example.com", TLS: StartTLS, From: "a@bank.example", Username: "u", Password: issuance.NewSecret([]byte("p"))}
	for mode, port := range map[TLSMode]int{StartTLS: 587, ImplicitTLS: 465} {
		c := good
		c.TLS = mode
		if s, err := NewSMTP(c); err != nil || s.config.Port != port {
			t.Errorf("%s: %+v, %v", mode, s, err)
		}
	}
	for name, c := range map[string]struct {
		field  string
		change func(*SMTPConfig)
	}{
		"no host":            {"mail.smtp.host", func(c *SMTPConfig) { c.Host = "" }},
		"host with port":     {"mail.smtp.host", func(c *SMTPConfig) { c.Host = "mail.example.com:25" }},
		"unknown mode":       {"mail.smtp.tls", func(c *SMTPConfig) { c.TLS = "opportunistic" }},
		"no mode":            {"mail.smtp.tls", func(c *SMTPConfig) { c.TLS = "" }},
		"password in clear":  {"mail.smtp.tls", func(c *SMTPConfig) { c.TLS = NoTLS }},
		"port":               {"mail.smtp.port", func(c *SMTPConfig) { c.Port = 70000 }},
		"no password":        {"mail.smtp.password", func(c *SMTPConfig) { c.Password = issuance.Secret{} }},
		"no username":        {"mail.smtp.password", func(c *SMTPConfig) { c.Username = "" }},
		"no sender":          {"mail.from", func(c *SMTPConfig) { c.From = "" }},
		"sender with a line": {"mail.from", func(c *SMTPConfig) { c.From = "a@b.example\r\nBcc: c@d.example" }},
		"bare host in EHLO":  {"mail.smtp.hello", func(c *SMTPConfig) { c.Hello = "certs" }},
		"way to sign in":     {"mail.smtp.auth", func(c *SMTPConfig) { c.Auth = "ntlm" }},
		"no token":           {"mail.smtp.password", func(c *SMTPConfig) { c.Auth = XOAUTH2 }},
		"token of nobody":    {"mail.smtp.username", func(c *SMTPConfig) { c.Auth, c.Username = XOAUTH2, "" }},
		"reply to":           {"brand.support_email", func(c *SMTPConfig) { c.ReplyTo = "nobody" }},
	} {
		bad := good
		c.change(&bad)
		_, err := NewSMTP(bad)
		if e, ok := errors.AsType[*issuance.Error](err); !ok || e.Field != c.field || e.Hint == "" {
			t.Errorf("%s: got %v, want an error on %s", name, err, c.field)
		}
	}
}

func TestMailHeadersTakeNoLines(t *testing.T) {
	sender, err := NewSMTP(SMTPConfig{Host: "h", TLS: NoTLS, From: "Bank <a@bank.example>"})
	if err != nil {
		t.Fatal(err)
	}
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.AlertNotice, "en"))
	for _, name := range hostile() {
		m.Subject = name
		text, _, err := sender.compose(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := mail.ReadMessage(strings.NewReader(string(text)))
		if err != nil {
			t.Fatalf("subject %.40q: %v", name, err)
		}
		if len(got.Header) != 9 || got.Header.Get("Bcc") != "" {
			t.Errorf("subject %.40q makes headers %v", name, got.Header)
		}
		head, _, _ := strings.Cut(string(text), "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") { // RFC 5322, section 2.1.1
				t.Errorf("header line %q", line)
			}
		}
	}
	for _, to := range []string{"", "a@b.example\r\nBcc: c@d.example", "a@b.example>, <c@d.example", "RCPT TO:<x@y.example>"} {
		m.Subject, m.To = "x", to
		if _, _, err := sender.compose(m); err == nil {
			t.Errorf("recipient %q was taken", to)
		}
	}
}
