package smtptest

import (
	"fmt"
	"testing"
)

// NewOpenSMTPD starts Debian's OpenSMTPD, which takes no mail commands but those
// that RFC 5321 writes. What it takes it hands on, and Next returns that. It has
// neither TLS nor, therefore, AUTH: that of Debian 12 finds no private key since
// OpenSSL 3 (OpenSMTPD's issues 1171 and 1239).
func NewOpenSMTPD(tb testing.TB) *Server {
	tb.Helper()
	j := newJail(tb, "opensmtpd",
		"opensmtpd:x:100:100::/var/lib/opensmtpd/empty:/bin/false\n"+
			"opensmtpq:x:101:101::/var/lib/opensmtpd/empty:/bin/false\n",
		"opensmtpd:x:100:\nopensmtpq:x:101:\n")
	j.libraries("usr/sbin/smtpd")
	s := newHop(tb)
	s.Port = freePort(tb)
	j.write("etc/smtpd.conf", fmt.Sprintf(`listen on 127.0.0.1 port %d hostname mail.test
action "hop" relay host smtp://127.0.0.1:%d
match from local for domain { "acme.example", "*.acme.example" } action "hop"
`, s.Port, s.hop), 0o600)
	j.directory("var/spool/smtpd", 0o711, 0, 0)
	j.directory("var/lib/opensmtpd/empty", 0o755, 0, 0)
	j.directory("var/run", 0o755, 0, 0)
	j.serve(s.Port, "output", "/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf")
	return s
}
