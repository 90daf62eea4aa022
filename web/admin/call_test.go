package admin

import (
	"net/netip"
	"net/url"
	"testing"
)

// TestNetworksAreThoseThatAreRecorded: no record has an IPv4 address in the form of IPv6.
func TestNetworksAreThoseThatAreRecorded(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "192.0.2.0/24": "192.0.2.0/24",
		"::ffff:192.0.2.0/120": "192.0.2.0/24", "2001:db8::/32": "2001:db8::/32", "::/0": "::/0",
		"::ffff:192.0.2.0/90": "", "192.0.2.0/33": "",
	} {
		q := query{values: url.Values{"address": {text}}}
		got := q.network("address")
		if want == "" && q.err == nil || want != "" && (q.err != nil || got != netip.MustParsePrefix(want)) {
			t.Errorf("%s: got %v, %v, want %q", text, got, q.err, want)
		}
	}
}
