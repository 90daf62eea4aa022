package smtptest

import (
	"crypto/rand"
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed postfix.main.cf
var postfixMain string

//go:embed postfix.master.cf
var postfixMaster string

// Sender is the one address that [User] may write from at Postfix.
const Sender = "certificates@bank.example"

// NewPostfix starts Debian's Postfix, as strict as it can be: with
// strict_rfc821_envelopes, reject_non_fqdn_helo_hostname, STARTTLS, AUTH and
// reject_sender_login_mismatch. What it takes it hands on, and Next returns that.
func NewPostfix(tb testing.TB) *Server {
	tb.Helper()
	j := newJail(tb, "postfix", "postfix:x:100:100::/:/bin/false\n", "postfix:x:100:\npostdrop:x:101:\n")
	j.libraries("usr/lib/postfix/sbin/master", "usr/lib/postfix/sbin/smtpd", "usr/lib/postfix/sbin/qmgr",
		"usr/lib/postfix/libpostfix-tls.so", "usr/lib/postfix/libpostfix-util.so")
	s := newHop(tb)
	cert, key := s.certificate()
	j.write("etc/postfix/cert.pem", cert, 0o644)
	j.write("etc/postfix/key.pem", key, 0o600)
	j.write("etc/postfix/entropy", rand.Text()+rand.Text(), 0o600) // there are no devices
	s.Port = freePort(tb)
	j.write("etc/postfix/main.cf", fmt.Sprintf(postfixMain, startAuthenticator(tb), s.hop, Sender, User), 0o644)
	j.write("etc/postfix/master.cf", fmt.Sprintf(postfixMaster, address(s.Port)), 0o644)
	for _, name := range strings.Fields("active bounce corrupt defer deferred flush hold incoming private saved trace") {
		j.directory(filepath.Join("var/spool/postfix", name), 0o700, 100, 0)
	}
	j.directory("var/spool/postfix", 0o755, 0, 0)
	j.directory("var/spool/postfix/pid", 0o755, 0, 0)
	j.directory("var/spool/postfix/maildrop", 0o730, 100, 101)
	j.directory("var/spool/postfix/public", 0o710, 100, 101)
	j.directory("var/lib/postfix", 0o755, 100, 100)
	j.directory("var/log", 0o755, 0, 0)
	j.serve(s.Port, "var/log/postfix.log", "/usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix")
	return s
}
