package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/cli"
	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery/twiliotest"
	"github.com/postern-ca/postern/web/auth"
)

// operator runs commands against a server, as on its command line.
type operator struct {
	t       *testing.T
	environ []string
}

// run runs a command and returns what it printed; status is what it must end with.
func (o operator) run(status int, args ...string) string {
	o.t.Helper()
	var out, problems bytes.Buffer
	got := cli.Run(o.t.Context(), cli.Options{Args: args, Environ: o.environ, In: strings.NewReader(""), Out: &out, Err: &problems, Commands: commands()})
	if got != status {
		o.t.Fatalf("%q ended with status %d, want %d: %s%s", args, got, status, out.String(), problems.String())
	}
	return out.String() + problems.String()
}

func (o operator) says(want, got string) {
	o.t.Helper()
	if !strings.Contains(got, want) {
		o.t.Errorf("got %q, want %q in it", got, want)
	}
}

// notified listens where systemd would.
func notified(t *testing.T) *net.UnixConn {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	states, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { states.Close() })
	t.Setenv("NOTIFY_SOCKET", socket)
	return states
}

// stockConfig is writeConfig with a CA that is there already.
func stockConfig(t *testing.T) (path string) {
	t.Helper()
	dir := dataDir(t)
	path = filepath.Join(dir, config.DefaultFile)
	must(t, os.RemoveAll(path))
	must(t, writeQuickstartConfig(dir, path, make([]int, 4)))
	return path
}

// rewrite replaces one text of a file.
func rewrite(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Contains(text, []byte(from)) {
		t.Fatalf("%s has no %q", path, from)
	}
	must(t, os.WriteFile(path, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600))
}

// TestACorrectedSecretIsTakenWithoutARestart tells the story of an operator whose
// token was wrong: check, test, retry, correct it, retry.
func TestACorrectedSecretIsTakenWithoutARestart(t *testing.T) {
	states, twilio, path := notified(t), twiliotest.New(t), stockConfig(t)
	token := filepath.Join(filepath.Dir(path), "twilio.token")
	must(t, os.WriteFile(token, []byte("wrong\n"), 0o600))
	for name, value := range map[string]string{
		"PROVIDER": "twilio", "TWILIO_ACCOUNT_SID": twiliotest.AccountSID, "TWILIO_AUTH_TOKEN_FILE": token,
		"TWILIO_FROM": twiliotest.From, "TWILIO_BASE_URL": twilio.URL,
	} {
		t.Setenv("POSTERN_SMS_"+name, value)
	}
	s := serveAt(t, path, states)
	secret := firstTokenIn(t, s.cfg.Data)
	o := operator{t, append(os.Environ(), "POSTERN_SERVER="+s.cfg.Admin.URL, "POSTERN_TOKEN="+secret)}

	// Beside the running server.
	o.says("is valid", o.run(0, "config", "check", "--config", path))
	o.says("sms: Twilio refused the sign-in (status 401, code 20003)", o.run(1, "config", "check", "--connect", "--config", path))
	o.says("Twilio refused an SMS (status 401, code 20003)", o.run(1, "message", "test", "--to", "+41 79 123 45 67"))
	if len(twilio.Messages()) != 0 {
		t.Errorf("sent %v", twilio.Messages())
	}

	o.run(0, "org", "add", "acme", "--name", "Acme")
	o.run(0, "contact", "add", "--org", "acme", "--name", "Anna", "--email", "anna@acme.example", "--mobile", "+41791234567")
	o.run(0, "service", "add", "acme.pay")
	order := regexp.MustCompile(`ord-\w+`).FindString(o.run(0, "order", "create", "--service", "acme.pay", "--contact", "anna@acme.example"))
	o.run(0, "order", "approve", order)
	code := regexp.MustCompile(`(?m)^code .*(msg-\w+)`).FindStringSubmatch(o.run(0, "message", "list", "--order", order))[1]
	o.says("is waiting because its channel is paused: Twilio refused an SMS (status 401, code 20003)", o.run(0, "message", "retry", code))
	o.says("channel paused", o.run(0, "message", "show", code))

	// Corrected: the next command says so, without a restart and without a minute's wait.
	must(t, os.WriteFile(token, []byte(twiliotest.AuthToken+"\n"), 0o600))
	began := time.Now()
	o.says("was accepted; the provider's id is SM", o.run(0, "message", "retry", code))
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	o.says("signed in at", o.run(0, "config", "check", "--connect", "--config", path))
	o.says("the test message by sms to +41791234567 was accepted; the provider's id is SM", o.run(0, "message", "test", "--to", "+41 79 123 45 67"))
	o.says("the test message by mail to anna@acme.example was accepted", o.run(0, "message", "test", "--to", "anna@acme.example"))
	o.says("to: is a landline", o.run(1, "message", "test", "--to", "+41 44 668 18 00"))
	o.says("the message is accepted; it is not sent again", o.run(1, "message", "retry", code))
	if got := len(twilio.Messages()); got != 2 {
		t.Errorf("%d SMS, want the code and the test", got)
	}
	if log := s.log.String(); strings.Contains(log, twiliotest.AuthToken) || !strings.Contains(log, "sms.twilio.auth_token") {
		t.Errorf("the log: %s", log)
	}

	// Expiry, as /metrics tells it.
	answer, err := http.Get(s.cfg.Admin.URL + "/metrics")
	must(t, err)
	defer answer.Body.Close()
	var metrics bytes.Buffer
	_, err = metrics.ReadFrom(answer.Body)
	must(t, err)
	for _, want := range []string{
		`postern_certificates_expiring{kind="client",within="30d"} 0`, `postern_certificates_expiring{kind="listener",within="90d"} 1`,
		`postern_certificates_expiring{kind="issuing",within="90d"} 0`, `postern_certificate_expires_timestamp_seconds{kind="root"} `,
	} {
		o.says(want, metrics.String())
	}
	if strings.Contains(metrics.String(), `timestamp_seconds{kind="client"}`) {
		t.Error("a certificate expires, and there is none")
	}
	s.stop()
}

// TestSIGHUPReloads and does not stop the server, before it is ready or after.
func TestSIGHUPReloads(t *testing.T) {
	states, path := notified(t), stockConfig(t)
	s := serveAt(t, path, states)
	reload := func(want string) {
		t.Helper()
		before := len(s.log.String())
		must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
		if got := readState(states); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=\d+$`).MatchString(got) {
			t.Fatalf("systemd was told %q", got)
		}
		if got := readState(states); got != "READY=1" {
			t.Fatalf("systemd was told %q", got)
		}
		if got := s.log.String()[before:]; !strings.Contains(got, want) {
			t.Errorf("the log has %q, want %q", got, want)
		}
	}
	rewrite(t, path, "level: warn", "level: info")
	reload("new settings applied")
	rewrite(t, path, "level: info", "level: loud")
	reload("the server continues as before")
	rewrite(t, path, "level: loud", "level: info")
	reload("msg=reloaded")
	rewrite(t, path, "# posts_burst: 20", "posts_burst: 50")
	reload(`these settings need a restart" keys=public.posts_burst`)
	var problems bytes.Buffer
	if code := cli.Run(t.Context(), cli.Options{Args: []string{"health", "--url", s.cfg.Admin.URL}, Out: new(bytes.Buffer), Err: &problems}); code != 0 {
		t.Errorf("health: %d: %s", code, problems.String())
	}
	if code := s.stop(); code != 0 {
		t.Errorf("serve ended with status %d: %s", code, s.log)
	}
}

// TestTheUnitReloads: systemd before 253 keeps the first type, and needs a command.
func TestTheUnitReloads(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/systemd/postern.service")
	must(t, err)
	types := regexp.MustCompile(`(?m)^Type=(.*)$`).FindAllStringSubmatch(string(unit), -1)
	if len(types) != 2 || types[0][1] != "notify" || types[1][1] != "notify-reload" || !bytes.Contains(unit, []byte("\nExecReload=/bin/kill -HUP $MAINPID\n")) {
		t.Errorf("types %q in\n%s", types, unit)
	}
}

// TestProxiesSecretsAreTakenOver on the listener of staff, at the address that was
// opened at the start.
func TestProxiesSecretsAreTakenOver(t *testing.T) {
	const old, next = "the-old-secret-of-the-edge", "the-new-secret-of-the-edge"
	states, path := notified(t), stockConfig(t)
	file := filepath.Join(filepath.Dir(path), "edge.secret")
	must(t, os.WriteFile(file, []byte(old), 0o600))
	rewrite(t, path, "# callers: []", "callers: [{name: edge, format: nginx, secret_file: edge.secret}]")
	rewrite(t, path, "# listen: 127.0.0.1:9444", `listen: ""`)
	s := serveAt(t, path, states)
	ask := func(secret string) int {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, s.cfg.Admin.URL+"/auth", nil)
		must(t, err)
		r.Header.Set(auth.SecretHeader, secret)
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		must(t, answer.Body.Close())
		return answer.StatusCode
	}
	stranger := ask("somebody-else-s-secret")
	if ask(old) == stranger || ask(next) != stranger {
		t.Fatalf("before: %d by the old secret, %d by the new one", ask(old), ask(next))
	}
	must(t, os.WriteFile(file, []byte(next), 0o600))
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	for readState(states) != "READY=1" {
	}
	if ask(old) != stranger || ask(next) == stranger {
		t.Errorf("after: %d by the old secret, %d by the new one: %s", ask(old), ask(next), s.log)
	}
	if log := s.log.String(); strings.Contains(log, old) || strings.Contains(log, next) {
		t.Error("the log has a secret")
	}
	s.stop()
}
