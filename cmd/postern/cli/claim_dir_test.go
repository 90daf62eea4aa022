package cli_test

import (
	"os"
	"strings"
	"testing"
)

// TestNoClaimWhereOthersMayWrite: nothing is asked of the server. In a directory
// like /tmp nobody can take away what is ours, so there it goes on.
func TestNoClaimWhereOthersMayWrite(t *testing.T) {
	site, link := newContactSite(t)
	if err := os.Chmod(".", 0o777); err != nil {
		t.Fatal(err)
	}
	r := run(t, nil, "11112222\n", "claim", link)
	if r.status != 1 || !strings.Contains(r.err, "redirect") || len(site.requests) > 0 {
		t.Errorf("status %d, %s; the server was asked for %q", r.status, r.err, site.requests)
	}
	if err := os.Chmod(".", 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if r := run(t, nil, "11112222\n", "claim", link); r.status != 0 {
		t.Errorf("in a directory like /tmp: status %d, %s", r.status, r.err)
	}
}
