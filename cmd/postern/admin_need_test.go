package main_test

import (
	"slices"
	"testing"
	"time"
)

// TestNeedsHaveTheirTime: a certificate that was just issued needs no use yet, one
// that was never used in 30 days does, and one that has expired needs nothing.
func TestNeedsHaveTheirTime(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	_, _, serial := h.issued()
	const day = 24 * time.Hour
	for _, c := range []struct {
		when            string
		advance         time.Duration
		use, succession bool
	}{
		{"just issued", time.Minute, false, true},
		{"after 29 days", 29 * day, false, true},
		{"after 31 days", 2 * day, true, true},
		{"expired", 3 * 366 * day, false, false},
	} {
		h.advance(c.advance)
		for need, want := range map[string]bool{"use": c.use, "successor": c.succession} {
			var page struct{ Items []struct{ Serial string } }
			h.get("/certificates?need="+need).into(t, &page)
			if got := slices.Contains(page.Items, struct{ Serial string }{serial}); got != want {
				t.Errorf("%s: listed among those that need %s: %v, want %v", c.when, need, got, want)
			}
		}
	}
}
