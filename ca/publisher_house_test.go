package ca

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// crlStep has p do once what Run does for ever.
func crlStep(t testing.TB, p *Publisher) *CRL {
	t.Helper()
	if err := p.Catch(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := p.CRL("issuing-1")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// crlEntry is an entry of a CRL, to be compared.
type crlEntry struct {
	Serial string
	At     time.Time
	Reason int
}

func crlListed(t testing.TB, c *CRL, house crlHouse) []crlEntry {
	t.Helper()
	var entries []crlEntry
	for _, e := range crlParse(t, c, house.issuing).RevokedCertificateEntries {
		entries = append(entries, crlEntry{e.SerialNumber.Text(16), e.RevocationTime, e.ReasonCode})
	}
	return entries
}

// crlWant is the CRL that the store's certificates make.
func crlWant(s *crlStore, p *Publisher) []crlEntry {
	var want []crlEntry
	for _, c := range slices.SortedFunc(maps.Values(s.certs), func(a, b issuance.Certificate) int { return a.Serial.Int().Cmp(b.Serial.Int()) }) {
		if c.Status == issuance.Active || c.NotAfter.Before(p.cutoff) {
			continue
		}
		reason := c.Reason.CRLReason()
		if c.Status == issuance.Held {
			reason = 6
		}
		if p.DropReasons {
			reason = 0
		}
		want = append(want, crlEntry{c.Serial.Int().Text(16), c.ChangedAt, reason})
	}
	return want
}
