package limit

import (
	"net/netip"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Now()
	l := New(Limit{PerSecond: 1, Burst: 1}, func() time.Time { return now })
	for _, step := range []struct {
		address string
		free    bool
	}{
		{"192.0.2.1", true},
		{"192.0.2.1", false},
		{"192.0.2.2", true},
		{"::ffff:192.0.2.2", false},
		{"2001:db8::1", true},
		{"2001:db8::ffff:1", false},
		{"2001:db8:0:1::1", true},
		{"fe80::1%eth0", true},
		{"fe80::2%eth1", false},
	} {
		if got := l.Take(netip.MustParseAddr(step.address)) == 0; got != step.free {
			t.Errorf("%s may send: %v, want %v", step.address, got, step.free)
		}
	}
	l.Take(netip.Addr{}) // an address that cannot be read has a bucket too
	for i := range 3 * maxBuckets {
		l.Take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := len(l.young) + len(l.older); n > maxBuckets {
		t.Errorf("%d addresses are remembered, want at most %d", n, maxBuckets)
	}
}

// TestMappedNetworksAreIPv4, as the addresses are that they are compared with.
func TestMappedNetworksAreIPv4(t *testing.T) {
	for network, want := range map[string]string{
		"::ffff:10.0.0.0/104": "10.0.0.0/8", "::ffff:192.0.2.7/128": "192.0.2.7/32", "::ffff:0:0/96": "0.0.0.0/0",
		"::ffff:0:0/95": "::ffff:0.0.0.0/95", "10.0.0.0/8": "10.0.0.0/8", "2001:db8::/32": "2001:db8::/32", "::/0": "::/0",
	} {
		if got := Unmapped(netip.MustParsePrefix(network)).String(); got != want {
			t.Errorf("%s: got %s, want %s", network, got, want)
		}
	}
}
