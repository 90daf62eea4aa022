package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// TestTheFirstPageSaysWhatThisIs and whom to ask, to anybody: it is where people
// end who type the name of the host.
func TestTheFirstPageSaysWhatThisIs(t *testing.T) {
	t.Parallel()
	s := newHouseStory(t, func(c *config.Config) {
		c.Brand.Name, c.Brand.SupportEmail, c.Brand.SupportPhone = "Example Bank", "help@bank.example", "+1 202 555 0100"
	})
	for language, title := range map[string]string{"en": "Client certificates", "de": "Client-Zertifikate", "fr": "Certificats clients"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.h.cfg.Public.URL+"/", nil)
		must(t, err)
		r.Header.Set("Accept-Language", language)
		answer, err := s.client.Do(r)
		must(t, err)
		body, err := io.ReadAll(answer.Body)
		must(t, errors.Join(err, answer.Body.Close()))
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s, cookie %q", language, answer.Status, answer.Header.Get("Set-Cookie"))
		}
		for _, want := range []string{title, "Example Bank", `href="mailto:help@bank.example"`, "&#43;1 202 555 0100", `href="/pki/"`} {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s: the page has no %q", language, want)
			}
		}
	}
}
