package delivery

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-ca/postern/delivery/smtptest"
	"github.com/postern-ca/postern/issuance"
)

func TestASCIIAddress(t *testing.T) {
	for address, want := range map[string]string{
		"anna@müller.example":          "anna@xn--mller-kva.example",
		"anna@MÜLLER.example":          "anna@xn--mller-kva.example",
		"anna@mu\u0308ller.example":    "anna@xn--mller-kva.example", // as macOS writes it
		" anna@smørrebrød.example\n":   "anna@xn--smrrebrd-64af.example",
		"anna@straße.example":          "anna@xn--strae-oqa.example",
		"Anna.B+x@bücher.post.example": "Anna.B+x@xn--bcher-kva.post.example",
		"anna@例え.テスト":                  "anna@xn--r8jz45g.xn--zckzah",
		"anna@acme.example":            "anna@acme.example",
		"Anna@ACME.example":            "Anna@ACME.example",
		"nobody":                       "nobody",
		"":                             "",
	} {
		if got, err := ASCIIAddress(address); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", address, got, err, want)
		}
	}
	for address, says := range map[string]string{
		"jörg@acme.example":                             "SMTPUTF8",
		"jörg@müller.example":                           "SMTPUTF8",
		"anna@\u202emüller.example":                     "cannot exist",
		"anna@mül ler.example":                          "cannot exist",
		"anna@-ü.example":                               "cannot exist",
		"anna@mü_ller.example":                          "cannot exist",
		"anna@" + strings.Repeat("öx", 40) + ".example": "cannot exist",
	} {
		got, err := ASCIIAddress(address)
		if e, ok := errors.AsType[*issuance.Error](err); !ok || e.Field != "email" || e.Hint == "" || !strings.Contains(e.Message, says) {
			t.Errorf("%q: got %q, %v, want an error that says %s", address, got, err, says)
		}
	}
}

// TestMailToADomainWithUmlauts: whoever wrote the address into the configuration,
// a server that knows no SMTPUTF8 takes it.
func TestMailToADomainWithUmlauts(t *testing.T) {
	server := smtptest.NewOpenSMTPD(t)
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.AlertNotice, "en"))
	m.To = "pki@bücher.acme.example"
	sender := mailSender(t, server.Port, nil, func(c *SMTPConfig) {
		c.TLS, c.Username, c.Password, c.From = NoTLS, "", issuance.Secret{}, "Bücher <certs@bücher.example>"
	})
	id, err := sender.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	kept := server.Next()
	if kept.From != "certs@xn--bcher-kva.example" || len(kept.To) != 1 || kept.To[0] != "pki@xn--bcher-kva.acme.example" || !isASCII(id) {
		t.Errorf("from %s to %v, %s", kept.From, kept.To, id)
	}
}
