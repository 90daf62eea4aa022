package main_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-ca/postern/ca/catest"
	"github.com/postern-ca/postern/delivery/twiliotest"
)

// mortal is the real server with a real mail server and a fake Twilio around it.
// It is killed again and again, and started again each time.
type mortal struct {
	t             *testing.T
	dir           string
	binary        string
	public, admin string // addresses
	token         string // of an administrator
	mails         *mailbox
	phones        *twiliotest.Server
	killer        killer
	out, log      *os.File   // what it says, in all its lives
	ended         chan error // when it runs

	mu     sync.Mutex
	deaths map[death]int // how often each was died
	war    bool
	wars   int // deaths in wartime
}

const passphrase = "the passphrase of a test"

// newMortal builds the program and makes its CA. Nothing runs yet.
func newMortal(t *testing.T) *mortal {
	t.Helper()
	m := &mortal{t: t, dir: t.TempDir(), mails: newMailbox(t), phones: twiliotest.New(t), deaths: map[death]int{}}
	m.binary = filepath.Join(m.dir, "postern")
	if out, err := exec.Command("go", "build", "-o", m.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	ports := freePorts(t, 4)
	m.public, m.admin = fmt.Sprintf("http://localhost:%d", ports[0]), fmt.Sprintf("http://localhost:%d", ports[2])
	config := fmt.Sprintf(`
data: %q
public: {listen: "127.0.0.1:%d", url: "http://localhost:%[2]d", posts_per_minute: 100000, posts_burst: 100000}
plain: {listen: "127.0.0.1:%d", url: "http://localhost:%[3]d"}
admin: {listen: "127.0.0.1:%d", url: "http://localhost:%[4]d"}
mtls: {listen: "127.0.0.1:%d", url: "https://localhost:%[5]d"}
ca: {trust_domain: bank.example, passphrase: `+passphrase+`}
mail: {from: "Bank <certificates@bank.example>", smtp: {host: 127.0.0.1, port: %d, tls: none}}
sms: {provider: twilio, twilio: {account_sid: %s, auth_token: %s, from: "%s", base_url: "%s"}}
policy: {code_cooldown: 0s, codes_per_day: 50, claim_window: 1m}
log: {level: warn}
`, filepath.Join(m.dir, "data"), ports[0], ports[1], ports[2], ports[3], m.mails.port,
		twiliotest.AccountSID, twiliotest.AuthToken, twiliotest.From, m.phones.URL)
	if err := os.WriteFile(m.file("postern.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	m.out, m.log = newFile(t, m.file("output")), newFile(t, m.file("log"))
	return m
}

func (m *mortal) file(name string) string { return filepath.Join(m.dir, name) }

func newFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// freePorts returns ports of loopback that nothing listens on. They are neither of
// those that systems give to outgoing connections, nor of those that the product
// chooses from: tests beside this one would take them between two lives.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for port := 30000 + rand.IntN(1000); len(ports) < n && port < 32768; port++ {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			ports = append(ports, port)
		}
	}
	if len(ports) < n {
		t.Fatal("no ports are free")
	}
	return ports
}

// readToken waits for the administrator's token that the first start writes.
func (m *mortal) readToken() {
	m.t.Helper()
	limit := time.After(time.Minute)
	for look := time.Tick(glance); m.token == ""; {
		select {
		case err := <-m.ended:
			m.ended = nil
			m.t.Fatalf("the server does not start: %v", err)
		case <-limit:
			m.t.Fatal("the server wrote no token")
		case <-look:
		}
		// The path is printed once the token opens something.
		if said, err := os.ReadFile(m.out.Name()); err != nil {
			m.t.Fatal(err)
		} else if !strings.Contains(string(said), "first.token") {
			continue
		}
		text, err := os.ReadFile(m.file("data/first.token"))
		if err != nil {
			m.t.Fatal(err)
		}
		m.token = strings.TrimSpace(string(text))
	}
}

// lighten has the CA's keys open quickly from now on: the server opens them in each of its lives.
func (m *mortal) lighten() {
	m.t.Helper()
	m.stop()
	if err := catest.Lighten(m.file("data/ca"), []byte(passphrase)); err != nil {
		m.t.Fatal(err)
	}
	m.start()
}

// start has the server live from now on.
func (m *mortal) start() {
	m.ended = make(chan error, 1)
	go m.live(m.ended)
}

// live starts the server, again after each kill, until it ends by itself.
func (m *mortal) live(ended chan<- error) {
	runtime.LockOSThread() // ptrace belongs to a thread; this one ends with the goroutine
	for {
		cmd := exec.Command(m.binary, "serve", "--init", "--config", m.file("postern.yaml"))
		cmd.Env = []string{"HOME=" + m.dir} // nothing of this test's settings is the server's
		cmd.Stdout, cmd.Stderr = m.out, m.log
		died, status, err := m.killer.run(cmd)
		if err == nil && died == (death{}) && status != 0 {
			err = fmt.Errorf("the server ended by itself, with status %#x", int(status))
		}
		if err != nil || died == (death{}) {
			ended <- err
			return
		}
		m.died(died)
	}
}

// wartime has the server killed again each time that it was started again.
func (m *mortal) wartime() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.war = true
	m.killer.arm(nextDeath(0))
}

// peace ends the kills.
func (m *mortal) peace() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.war = false
	m.killer.arm(death{})
}

func (m *mortal) died(d death) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaths[d]++
	if m.war {
		m.wars++
		m.killer.arm(nextDeath(m.wars))
	}
}

// warSteps is how many calls of fdatasync the longest life in wartime has. A start
// has fourteen of them.
const warSteps = 32

// nextDeath goes through warSteps, and then has one death in an fsync: of a CRL or the
// mark, twice at a start, or of a scrub, which comes a second later.
func nextDeath(n int) death {
	if n%(warSteps+1) == warSteps {
		return death{unix.SYS_FSYNC, 1 + n/(warSteps+1)%5}
	}
	return death{unix.SYS_FDATASYNC, 1 + n%(warSteps+1)}
}

// kills returns how often the server was killed.
func (m *mortal) kills() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, times := range m.deaths {
		n += times
	}
	return n
}

// stop lets the server end as an operator does, and fails the test if it does
// not end well.
func (m *mortal) stop() {
	m.t.Helper()
	if m.ended == nil {
		return
	}
	m.peace()
	limit := time.After(time.Minute)
	for again := time.Tick(time.Second); ; {
		_ = m.killer.end() // between two lives there is nothing to end yet
		select {
		case err := <-m.ended:
			if m.ended = nil; err != nil {
				m.t.Error(err)
			}
			return
		case <-limit:
			m.t.Fatal("the server does not end")
		case <-again:
		}
	}
}
