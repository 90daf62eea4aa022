package contact

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postern-ca/postern/issuance"
)

// cutter downloads over a connection of its own and cuts it where it likes.
type cutter struct {
	*desk
	secure  bool
	cookies string
	form    url.Values
}

// conn is a connection, and the TCP connection under it.
type conn struct {
	net.Conn
	tcp *net.TCPConn
}

// unread returns how many bytes have arrived that were not read.
func (c conn) unread(t *testing.T) (n int) {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// request opens a connection with a receive buffer of about buffer bytes, and
// asks for the file on it.
func (c *cutter) request(buffer int) conn {
	c.Helper()
	address := c.server.Listener.Addr().String()
	dialled, err := net.Dial("tcp", address)
	if err != nil {
		c.Fatal(err)
	}
	tcp := dialled.(*net.TCPConn)
	out := conn{tcp, tcp}
	if buffer > 0 {
		tcp.SetReadBuffer(buffer)
	}
	if c.secure {
		out.Conn = tls.Client(tcp, &tls.Config{InsecureSkipVerify: true})
	}
	body := c.form.Encode()
	_, err = fmt.Fprintf(out, "POST /claim/download HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		address, c.cookies, len(body), body)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

// cut reads n bytes of the answer, or all but -n, and goes away, by FIN or by RST.
func (c *cutter) cut(n int, reset bool) {
	c.Helper()
	conn := c.request(256 << 10)
	if n < 0 {
		n += c.fileSize
		header := make([]byte, 0, 4096)
		for !bytes.HasSuffix(header, []byte("\r\n\r\n")) {
			header = header[:len(header)+1]
			if _, err := io.ReadFull(conn, header[len(header)-1:]); err != nil {
				c.Fatal(err)
			}
		}
	}
	if _, err := io.CopyN(io.Discard, conn, int64(n)); err != nil {
		c.Fatal(err)
	}
	if n == 0 { // the answer is there, and nobody reads it
		waitFor(c.T, func() bool { return conn.unread(c.T) > 2000 })
	}
	if reset {
		conn.tcp.SetLinger(0)
	}
	conn.tcp.Close()
}

// whole downloads the file and closes only when the test ends, or at once.
func (c *cutter) whole(lingering bool) []byte {
	c.Helper()
	conn := c.request(0)
	if lingering {
		c.Cleanup(func() { conn.Close() })
	} else {
		defer conn.Close()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !resp.Close {
		c.Fatalf("status %d, closing %v, %v", resp.StatusCode, resp.Close, err)
	}
	return body
}

func (d *desk) cutter() (issuance.OrderID, *cutter) {
	id, link := d.invite()
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id))
	home, err := url.Parse(d.server.URL)
	if err != nil {
		d.Fatal(err)
	}
	c := &cutter{desk: d, secure: home.Scheme == "https", form: url.Values{"target": {"java"}}}
	for _, cookie := range b.client.Jar.Cookies(home) {
		c.cookies += cookie.Name + "=" + cookie.Value + "; "
	}
	return id, c
}

// cuts returns how many downloads were seen to be cut.
func (d *desk) cuts() int { return strings.Count(d.log.String(), "a download was cut") }

func TestCutDownloads(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		for _, size := range []int{4000, 3_000_000} {
			t.Run(fmt.Sprintf("%s, %d bytes", name, size), func(t *testing.T) {
				var options []option
				if secure {
					options = append(options, withTLS)
				}
				d := newDesk(t, options...)
				d.fileSize = size
				id, c := d.cutter()
				// The answer's header has some 1000 bytes.
				for _, reset := range []bool{false, true} {
					for _, at := range []int{0, 1, 100, 1500, size / 2, size, -1} {
						before := d.cuts()
						c.cut(at, reset)
						waitFor(t, func() bool { return d.cuts() > before })
						if got := d.order(id).State; got != issuance.IssuedState {
							t.Fatalf("cut after %d bytes (reset %v), the order is %s, want issued", at, reset, got)
						}
					}
				}
				if got := d.passwords(id); got != 0 {
					t.Fatalf("%d password SMS were queued before the file arrived", got)
				}
				first := c.whole(false)
				waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
				if again := c.whole(false); !bytes.Equal(first, again) || len(first) != size {
					t.Errorf("the same session gets other bytes: %d and %d", len(first), len(again))
				}
				if got := d.passwords(id); got != 1 {
					t.Errorf("%d password SMS were queued, want 1", got)
				}
			})
		}
	}
}

func TestDownloadOfOneWhoStays(t *testing.T) {
	d := newDesk(t)
	id, c := d.cutter()
	c.whole(true)
	waitFor(t, func() bool { return d.order(id).State == issuance.DownloadedState })
}

func TestContactSaysThatTheFileArrived(t *testing.T) {
	d := newDesk(t)
	id, link := d.invite()
	b := d.browser().get("/c/"+link).post("/claim/verify", "code", d.code(id))
	b.post("/claim/download", "arrived", "yes").shows("Where will you install")
	if got := d.order(id).State; got != issuance.VerifiedState {
		t.Fatalf("the order is %s before there is a file", got)
	}
	if _, err := d.registrar.Claim(t.Context(), secretOf(link), b.session(link), issuance.ClaimRequest{}); err != nil {
		t.Fatal(err)
	}
	b.get("/claim").shows("Your file is ready", "I have the file")
	b.post("/claim/download", "arrived", "yes").shows("The password is being sent")
	if got := d.passwords(id); got != 1 {
		t.Errorf("%d password SMS were queued, want 1", got)
	}
}

func secretOf(token string) issuance.Secret { return issuance.NewSecret([]byte(token)) }

// session returns the session that b's cookies have for link.
func (b *browser) session(link string) issuance.Secret {
	b.Helper()
	home, err := url.Parse(b.server.URL)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(home) {
		if strings.HasSuffix(c.Name, "postern-session") {
			for entry := range strings.SplitSeq(c.Value, "~") {
				if t, session, _ := strings.Cut(entry, "."); t == tag(secretOf(link)) {
					return secretOf(session)
				}
			}
		}
	}
	b.Fatal("the browser has no session")
	return issuance.Secret{}
}
