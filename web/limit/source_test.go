package limit

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestSource(t *testing.T) {
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.7", "192.0.2.1"}, // not a proxy: its word counts for nothing
		{"127.0.0.1:5", "198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:5", "203.0.113.9, 198.51.100.7, 10.1.1.1", "198.51.100.7"}, // what the client made up comes first
		{"127.0.0.1:5", "rubbish, 198.51.100.7", "198.51.100.7"},
		{"[::ffff:127.0.0.1]:5", "2001:db8::1", "2001:db8::1"},
		// As Azure's Application Gateway and others write it: with a port.
		{"127.0.0.1:5", "203.0.113.7:40001", "203.0.113.7"},
		{"127.0.0.1:5", "[2001:db8::1]:443", "2001:db8::1"},
		{"127.0.0.1:5", "[2001:db8::1]", "2001:db8::1"},
		{"127.0.0.1:5", `"[2001:db8::1]:443"`, "2001:db8::1"},
		{"127.0.0.1:5", "203.0.113.7:40001, 10.1.1.1:8080", "203.0.113.7"},
		{"127.0.0.1:5", " 203.0.113.7 ", "203.0.113.7"},
		{"127.0.0.1:5", "fe80::1%eth0", "fe80::1%eth0"},
		{"127.0.0.1:5", "[fe80::1%eth0]:80", "fe80::1%eth0"},
		{"127.0.0.1:5", "2001:db8::1:443", "2001:db8::1:443"}, // an address; nobody can know better
		// What cannot be read: the proxy's own address.
		{"127.0.0.1:5", "", "127.0.0.1"},
		{"127.0.0.1:5", "rubbish", "127.0.0.1"},
		{"127.0.0.1:5", "unknown:80", "127.0.0.1"},
		{"127.0.0.1:5", "203.0.113.7:40001:2", "127.0.0.1"},
		{"127.0.0.1:5", "198.51.100.7, rubbish, 10.1.1.1", "10.1.1.1"},
		{"@", "198.51.100.7", "invalid IP"}, // a Unix socket
	} {
		var log bytes.Buffer
		s := &Source{
			Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
			Log:     slog.New(slog.NewTextHandler(&log, nil)),
		}
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		for range 2 {
			if got := s.Of(r).Unmap().String(); got != c.want {
				t.Errorf("from %s, forwarded for %q: %s, want %s", c.remote, c.forwarded, got, c.want)
			}
		}
		want := 0
		if c.want == "127.0.0.1" || c.want == "10.1.1.1" {
			want = 1
		}
		if got := strings.Count(log.String(), "level=WARN"); got != want {
			t.Errorf("forwarded for %q: logged %d times, want %d: %s", c.forwarded, got, want, &log)
		}
	}
}

func TestSourceWithoutProxies(t *testing.T) {
	r := &http.Request{RemoteAddr: "127.0.0.1:5", Header: http.Header{"X-Forwarded-For": {"rubbish"}}}
	if got := new(Source).Of(r).String(); got != "127.0.0.1" {
		t.Errorf("%s, want the connection's address", got)
	}
	trusting := &Source{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	if got := trusting.Of(r).String(); got != "127.0.0.1" { // without a log
		t.Errorf("%s, want the connection's address", got)
	}
}
