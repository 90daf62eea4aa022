package crlsync_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca/crlfile/crlfiletest"
	"github.com/postern-ca/postern/cmd/postern/crlsync"
	"github.com/postern-ca/postern/issuance"
)

func TestOnceFetchesTheFileAndSaysThatItIsFresh(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	for number := range int64(3) {
		want := b.origin.serve(b.origin.lists(t, list{Number: number, Serials: []int64{number + 10}}))
		for range 2 { // the second time nothing is new
			must(t, b.once())
			if got := b.read("crl-bundle.pem"); got != string(want) {
				t.Fatalf("round %d: the file is not what was served", number)
			}
		}
		if writes := b.metric("postern_crl_sync_writes_total"); writes != "0" {
			t.Errorf("what was the same was written %s times", writes)
		}
	}
	info, err := os.Stat(b.out)
	must(t, err)
	if info.Mode() != 0o644 {
		t.Errorf("a new file has mode %v, want 0644: CRLs are public", info.Mode())
	}
}

// TestWhatIsServedWrongNeverReachesTheFile has every kind of bad answer, with a
// good file there before.
func TestWhatIsServedWrongNeverReachesTheFile(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	o := b.origin
	foreign := newOrigin(t)
	now := time.Now()
	good := o.lists(t, list{Number: 300, Serials: []int64{1}})
	next := o.lists(t, list{Number: 301, Serials: []int64{1, 2}})
	as := func(text []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "chain.pem") {
				w.Write(o.chain)
				return
			}
			w.Write(text)
		}
	}
	for name, bad := range map[string]struct {
		fault  http.HandlerFunc
		reason string
	}{
		"an error":                {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "status"},
		"a redirect":              {http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP, "status"},
		"a part":                  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); w.Write(next) }, "status"},
		"not modified, unasked":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, "status"},
		"it hangs up":             {hangUp(nil), "unreachable"},
		"it hangs up in the body": {hangUp(next[:len(next)/2]), "unreachable"},
		"nothing":                 {as(nil), "crl-rubbish"},
		"rubbish":                 {as([]byte("<html>Please log in</html>\n")), "crl-rubbish"},
		"a file after another":    {as(slices.Concat(next, []byte("<html>\n"))), "crl-rubbish"},
		"older":                   {as(o.lists(t, list{Number: 299})), "crl-older"},
		"a wrong issuer":          {as(slices.Concat(next, o.root.Issue(t, "Issuing 2", nil).CRL(t, list{}))), "crl-issuer"},
		"a foreign root":          {as(foreign.lists(t, list{Number: 301})), "crl-issuer"},
		"a level missing":         {as(o.issuing.CRL(t, list{Number: 301})), "crl-missing"},
		"the root's missing":      {as(o.root.CRL(t, list{Number: 301})), "crl-missing"},
		"lapsed":                  {as(o.lists(t, list{Number: 301, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(-time.Minute)})), "crl-lapsed"},
		"not begun":               {as(o.lists(t, list{Number: 301, ThisUpdate: now.Add(time.Hour)})), "crl-future"},
		"too large":               {tooLarge, "too-large"},
		"too large, unannounced":  {chunked(make([]byte, 2<<20)), "too-large"},
	} {
		t.Run(name, func(t *testing.T) {
			b := *b
			b.t, b.dir = t, t.TempDir()
			b.out = filepath.Join(b.dir, "crl-bundle.pem")
			b.write("root.pem", crlfiletest.PEM(o.root))
			b.options.Out, b.options.MaxSize = b.out, 1<<20
			b.options.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			b.write("crl-bundle.pem", good)
			o.fail(bad.fault)
			err := b.once()
			if issuance.KindOf(err) != issuance.Unavailable {
				t.Errorf("got %v, want an error that says it is not refreshed", err)
			}
			if b.read("crl-bundle.pem") != string(good) {
				t.Error("the file has changed")
			}
			if got := b.metric(fmt.Sprintf("postern_crl_sync_failures_total{reason=%q}", bad.reason)); got != "1" {
				t.Errorf("the reason %s was counted %q times; the error is %v", bad.reason, got, err)
			}
			left, err := strconv.ParseFloat(b.metric("postern_crl_sync_seconds_left"), 64)
			if err != nil || left < 23*3600 {
				t.Errorf("%v seconds are left of a day, %v", left, err)
			}
			o.fail(nil)
			o.serve(next)
			if err := b.once(); err != nil || b.read("crl-bundle.pem") != string(next) {
				t.Errorf("it does not heal: %v", err)
			}
			if entries, _ := os.ReadDir(b.dir); len(entries) != 3 { // root, bundle, lock
				t.Errorf("%d files are left, want 3", len(entries))
			}
		})
	}
}

// TestEveryCutOfAnAnswerIsRefused serves every beginning of a bundle as if it
// were all: without Content-Length nothing but the content tells.
func TestEveryCutOfAnAnswerIsRefused(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.write("ca.pem", crlfiletest.PEM(b.origin.root, b.origin.issuing)) // so that no chain is fetched
	b.options.CA = filepath.Join(b.dir, "ca.pem")
	good := b.origin.lists(t, list{Number: 1})
	b.write("crl-bundle.pem", good)
	next := b.origin.lists(t, list{Number: 2, Serials: []int64{1}})
	for n := range next {
		b.origin.fail(chunked(next[:n]))
		if err := b.once(); err == nil || b.read("crl-bundle.pem") != string(good) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(next), err)
		}
	}
	b.origin.fail(chunked(next))
	if err := b.once(); err != nil {
		t.Errorf("all of it: %v", err)
	}
}

func TestAServerThatIsDownOrSlow(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	good := b.origin.serve(b.origin.lists(t, list{Number: 1}))
	must(t, b.once())
	b.options.Timeout = 200 * time.Millisecond
	released := make(chan struct{})
	defer close(released)
	for name, slow := range map[string]http.HandlerFunc{
		"says nothing": func(http.ResponseWriter, *http.Request) { <-released },
		"trickles": func(w http.ResponseWriter, r *http.Request) {
			for i := 0; r.Context().Err() == nil; i++ {
				w.Write([]byte("-----BEGIN X509 CRL-----\n")[i%25 : i%25+1])
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
		},
	} {
		b.origin.fail(slow)
		began := time.Now()
		err := b.once()
		if err == nil || b.metric(`postern_crl_sync_failures_total{reason="slow"}`) != "1" || time.Since(began) > patience/2 {
			t.Errorf("a server that %s: %v after %v", name, err, time.Since(began))
		}
	}
	dead := httptest.NewServer(nil)
	dead.Close()
	b.options.URL = dead.URL + "/pki/crl-bundle.pem"
	if err := b.once(); err == nil || !strings.Contains(err.Error(), "not refreshed") || b.metric(`postern_crl_sync_failures_total{reason="unreachable"}`) != "1" {
		t.Errorf("a server that is down: %v", err)
	}
	if b.read("crl-bundle.pem") != string(good) {
		t.Error("the file has changed")
	}
}

func TestOnceTellsThatTheFileLapsesSoon(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	want := b.origin.serve(b.origin.lists(t, list{Number: 1, NextUpdate: time.Now().Add(50 * time.Minute)}))
	err := b.once()
	if err == nil || !strings.Contains(err.Error(), "expires in") {
		t.Errorf("50 minutes are left of an hour: %v", err)
	}
	if b.read("crl-bundle.pem") != string(want) {
		t.Error("it was not written, though it is the best there is")
	}
	b.options.WarnBefore = 45 * time.Minute
	must(t, b.once())
}

// TestARotatedIssuingCAIsFollowed has Postern get a second issuing CA while the
// chain is known already.
func TestARotatedIssuingCAIsFollowed(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	o := b.origin
	first := o.serve(o.lists(t, list{Number: 1}))
	b.run()
	until(t, "the first file", func() bool { return b.read("crl-bundle.pem") == string(first) })
	second := o.root.Issue(t, "Issuing 2", nil)
	o.mu.Lock()
	o.chain = crlfiletest.PEM(second, o.issuing, o.root)
	o.mu.Unlock()
	want := o.serve(slices.Concat(second.CRL(t, list{Number: 1}), o.lists(t, list{Number: 2})))
	until(t, "the file of three levels", func() bool { return b.read("crl-bundle.pem") == string(want) })
	// Somebody on the way leaves the new CA out again.
	o.mu.Lock()
	o.chain = crlfiletest.PEM(o.issuing, o.root)
	o.mu.Unlock()
	o.serve(o.lists(t, list{Number: 3}))
	until(t, "the refusal", func() bool { return b.metric(`postern_crl_sync_failures_total{reason="crl-missing"}`) != "" })
	if err := b.once(); err == nil { // a process that has just started knows it from the file
		t.Error("after a restart the CA may be left out")
	}
	if b.read("crl-bundle.pem") != string(want) {
		t.Error("a CA's list was dropped")
	}
}

func TestModeOwnerAndLinkStay(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.write("real.pem", nil)
	must(t, os.Chmod(filepath.Join(b.dir, "real.pem"), 0o640))
	must(t, os.Symlink("real.pem", b.out))
	owner := os.Getuid()
	if owner == 0 {
		owner = 65534
		must(t, os.Chown(filepath.Join(b.dir, "real.pem"), owner, -1))
	}
	want := b.origin.serve(b.origin.lists(t, list{Number: 1}))
	must(t, b.once())
	if to, err := os.Readlink(b.out); err != nil || to != "real.pem" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	info, err := os.Stat(filepath.Join(b.dir, "real.pem"))
	must(t, err)
	if info.Mode() != 0o640 || ownerOf(info) != owner || b.read("real.pem") != string(want) {
		t.Errorf("got mode %v and owner %d, want 0640 and %d", info.Mode(), ownerOf(info), owner)
	}
}

func TestWhatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	for field, change := range map[string]func(*crlsync.Options){
		"url":                 func(o *crlsync.Options) { o.URL = "" },
		"ca":                  func(o *crlsync.Options) { o.CA = "" },
		"out":                 func(o *crlsync.Options) { o.Out = "" },
		"chain_url":           func(o *crlsync.Options) { o.ChainURL = "file:///chain.pem" },
		"alert":               func(o *crlsync.Options) { o.Alert = secret("hooks.example") },
		"interval":            func(o *crlsync.Options) { o.Interval = -1 },
		"min_reload_interval": func(o *crlsync.Options) { o.MinReload = -1 },
		"max_size":            func(o *crlsync.Options) { o.MaxSize = -1 },
	} {
		o := b.options
		change(&o)
		_, err := crlsync.New(o)
		e, ok := err.(*issuance.Error) //nolint:errorlint // it is not wrapped
		if !ok || e.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	o := b.options
	o.URL = "http://user:password@localhost/crl-bundle.pem"
	if _, err := crlsync.New(o); err == nil {
		t.Error("an address with a password is taken: it would be logged")
	}
	o = b.options
	o.Out = b.dir
	if _, err := crlsync.New(o); err == nil {
		t.Error("a directory is taken for the file")
	}
}

// hangUp answers with the beginning of something and closes the connection.
func hangUp(text []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		if text != nil {
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 2*len(text), text)
			if c, ok := conn.(*net.TCPConn); ok {
				c.CloseWrite()
				io.Copy(io.Discard, c)
			}
		}
	}
}

// tooLarge announces more than is taken, and sends next to nothing of it.
func tooLarge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(2<<20))
	w.Write([]byte("-----BEGIN X509 CRL-----\n"))
}

// chunked answers without Content-Length.
func chunked(text []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		w.Write(text)
	}
}
