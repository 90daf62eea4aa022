package delivery

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern-ca/postern/issuance"
)

func TestQuoteWithholdsSecrets(t *testing.T) {
	m := Message{Secret: issuance.NewSecret([]byte("h7kd-2mqx-9e4r-vt3a-bzn8-6wyc"))}
	for answer, shown := range map[string]bool{
		"no such user":                      true,
		"550 5.1.1 <x@y.example> unknown":   true,
		"h7kd-2mqx-9e4r-vt3a-bzn8-6wyc":     false,
		"H7KD 2MQX":                         false,
		"...vt3ab zn8...":                   false,
		"h.7.k.d.2.m":                       false,
		"h7kd2 is only five":                true,
		"line\r\nbreak\x00\u202e" + "reply": true,
	} {
		got := m.quote(answer)
		if shown != !strings.Contains(got, "not shown") || m.leaks(got) {
			t.Errorf("quote(%q) is %q", answer, got)
		}
	}
	if got := m.quote("line\r\n.\r\nbreak\x00\u202ereply"); got != "line . break reply" {
		t.Errorf("got %q", got)
	}
	if got := (Message{}).quote("anything"); got != "anything" {
		t.Errorf("without a secret: %q", got)
	}
}

func FuzzOneLine(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + limit&0xff
		got := oneLine(s, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit || strings.ContainsAny(got, "\r\n\x00\x1b") {
			t.Errorf("oneLine(%q, %d) is %q", s, limit, got)
		}
	})
}
