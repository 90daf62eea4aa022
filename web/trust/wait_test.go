package trust

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/web/server"
)

// TestAChangeEndsTheWait waits on a real listener, as crl-sync does.
func TestAChangeEndsTheWait(t *testing.T) {
	h, s := open(t)
	listener := httptest.NewServer(h)
	defer listener.Close()
	answers := make(chan *http.Response)
	go func() {
		r, _ := http.NewRequest(http.MethodGet, listener.URL+"/pki/crl-bundle.pem", nil)
		r.Header.Set("If-None-Match", `"bundle-1"`)
		r.Header.Set("Prefer", "respond-async, wait=60")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	<-s.waiting
	s.replace("bundle-2")
	answer := <-answers
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || string(body) != "bundle-2" || answer.Header.Get("Preference-Applied") != "wait=50" || answer.Header.Get("ETag") != `"bundle-2"` {
		t.Errorf("got %d %s %v", answer.StatusCode, body, answer.Header)
	}
}

// TestWaitingAndReadingOutliveTheListenersTimeout: with a nanosecond for every
// answer, only those that ask for more time arrive.
func TestWaitingAndReadingOutliveTheListenersTimeout(t *testing.T) {
	closing := make(chan struct{})
	h, s := open(t, func(o *Options) { o.Closing = closing })
	listener, err := server.New(server.Options{Name: "plain", Addr: "127.0.0.1:0", Handler: h, WriteTimeout: time.Nanosecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	ctx, stop := context.WithCancel(t.Context())
	go func() { served <- listener.Serve(ctx) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	fetch := func(path string, header http.Header) (int, error) {
		r, _ := http.NewRequest(http.MethodGet, "http://"+listener.Addr().String()+path, nil)
		r.Header = header
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		_, err = io.ReadAll(answer.Body)
		return answer.StatusCode, err
	}
	if status, err := fetch("/pki/crl/root.crl", http.Header{}); err != nil || status != http.StatusOK {
		t.Errorf("a CRL: %d, %v", status, err)
	}
	go func() {
		<-s.waiting
		close(closing)
	}()
	if status, err := fetch("/pki/crl-bundle.pem", http.Header{"Prefer": {"wait=60"}, "If-None-Match": {`"bundle-1"`}}); err != nil || status != http.StatusNotModified {
		t.Errorf("after a wait: %d, %v", status, err)
	}
	if _, err := fetch("/pki/nothing", http.Header{}); err == nil {
		t.Error("an answer without more time arrives: this test tests nothing")
	}
}

func TestWhoDoesNotWait(t *testing.T) {
	h, s := open(t)
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"another ETag": {[]string{"If-None-Match", `"bundle-0"`, "Prefer", "wait=60"}, 200},
		"no ETag":      {[]string{"Prefer", "wait=60"}, 200},
		"no Prefer":    {[]string{"If-None-Match", `"bundle-1"`}, 304},
		"wait of 0":    {[]string{"If-None-Match", `"bundle-1"`, "Prefer", "wait=0"}, 304},
		"nonsense":     {[]string{"If-None-Match", `"bundle-1"`, "Prefer", "wait=-5, wait=9"}, 304},
		"other":        {[]string{"If-None-Match", `"bundle-1"`, "Prefer", "return=minimal; wait=5"}, 304},
	} {
		w := ask(h, http.MethodGet, "/pki/crl-bundle.pem", c.header...)
		if w.Code != c.status || w.Header().Get("Preference-Applied") != "" || len(s.waiting) > 0 {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}

func TestWaitPreferred(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"wait=50": 45 * time.Second, "wait=10": 9 * time.Second, `WAIT = "7"`: 7 * time.Second, "foo, wait=3; x=y": 3 * time.Second,
		"wait=60": 50 * time.Second, "wait=3600": 50 * time.Second, "wait=1": time.Second, "wait=99999999999999999999": 0, "wait": 0, "": 0, "waiter=5": 0,
	} {
		if got := waitPreferred([]string{header}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

// TestWaitersAreBounded takes all places of one address, then all places.
func TestWaitersAreBounded(t *testing.T) {
	closing := make(chan struct{})
	h, s := open(t, func(o *Options) {
		o.MaxWaiters, o.Closing = 16, closing
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	var waiting sync.WaitGroup
	from := func(address string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/pki/crl-bundle.pem", nil)
		r.RemoteAddr = "127.0.0.1:1000"
		r.Header.Set("X-Forwarded-For", address)
		r.Header.Set("If-None-Match", `"bundle-1"`)
		r.Header.Set("Prefer", "wait=60")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	begin := func(address string) {
		waiting.Go(func() {
			if w := from(address); w.Code != http.StatusNotModified || w.Header().Get("Preference-Applied") != "wait=50" {
				t.Errorf("one that waited is answered with %d %v", w.Code, w.Header())
			}
		})
		<-s.waiting
	}
	refused := func(address, why string) {
		if w := from(address); w.Code != http.StatusNotModified || w.Header().Get("Preference-Applied") != "" || w.Header().Get("Retry-After") != "5" {
			t.Errorf("%s: %d %v", why, w.Code, w.Header())
		}
	}
	for range 2 {
		begin("192.0.2.1:1000")
	}
	refused("192.0.2.1:2000", "a third of one client waits")
	for i := range 2 {
		begin(fmt.Sprintf("2001:db8::%d", i+1))
	}
	refused("2001:db8::3", "a third of one /64 waits")
	for i := range 12 {
		begin(fmt.Sprintf("192.0.2.%d:1000", i+2))
	}
	refused("198.51.100.1:1000", "a seventeenth waits")
	close(closing) // ends all waiting
	waiting.Wait()
	if h.waiters.all != 0 || len(h.waiters.of) != 0 {
		t.Errorf("places are kept: %d, %v", h.waiters.all, h.waiters.of)
	}
}
