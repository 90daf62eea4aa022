package crlsync_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca/crlfile/crlfiletest"
)

// TestAFileThatIsGoneIsNoFreshOne: nobody can put it back while Postern is away,
// and what was in it counts for nothing.
func TestAFileThatIsGoneIsNoFreshOne(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(b *beside){
		"gone":    func(b *beside) { must(t, os.Remove(b.out)) },
		"spoiled": func(b *beside) { b.write("crl-bundle.pem", []byte("rubbish")) },
	} {
		b := newBeside(t)
		text := b.origin.serve(b.origin.lists(t, list{Number: 7}))
		b.run()
		until(t, "the file", func() bool { return b.read("crl-bundle.pem") == string(text) })
		b.origin.fail(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		spoil(b)
		b.origin.CloseClientConnections()
		until(t, name+": the alarm", func() bool {
			return b.metric("postern_crl_sync_seconds_left") == "0" && strings.Contains(b.log.String(), "state=lapsed")
		})
		if b.metric(`postern_crl_sync_crl_number{issuer="Root"}`) != "" {
			t.Errorf("%s: the metrics tell of a file", name)
		}
		b.origin.fail(nil)
		until(t, name+": the file anew", func() bool { return b.read("crl-bundle.pem") == string(text) })
	}
}

// TestNobodyElseCanLock: who could would keep the file from ever being replaced.
func TestNobodyElseCanLock(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.write(".crl-bundle.pem.lock", nil) // as earlier versions made it, with 0644
	b.origin.serve(b.origin.lists(t, list{}))
	must(t, b.once())
	info, err := os.Stat(filepath.Join(b.dir, ".crl-bundle.pem.lock"))
	must(t, err)
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the lock has mode %o", got)
	}
}

// TestAServerThatWantsToBeLeftAlone says so with an error.
func TestAServerThatWantsToBeLeftAlone(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	b.origin.fail(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	b.run()
	until(t, "the first question", func() bool { return b.origin.questions() == 1 })
	began := time.Now()
	until(t, "the second", func() bool { return b.origin.questions() == 2 })
	if got := time.Since(began); got < 1900*time.Millisecond {
		t.Errorf("it was asked again after %v", got)
	}
}

// TestAnEndlessTagIsForgotten: with it each further question would be refused.
func TestAnEndlessTagIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	var served atomic.Value // of []byte
	b.origin.fail(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Get("If-None-Match")) > 8000 {
			w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		w.Header().Set("ETag", strconv.Quote(strings.Repeat("x", 9000)))
		text := served.Load().([]byte)
		if r.URL.Path == "/pki/chain.pem" {
			text = b.origin.chain
		}
		w.Write(text) //nolint:errcheck // the client may be gone
	})
	first, next := b.origin.lists(t, list{Number: 1}), b.origin.lists(t, list{Number: 2})
	served.Store(first)
	b.run()
	until(t, "the file", func() bool { return b.read("crl-bundle.pem") == string(first) })
	served.Store(next)
	until(t, "the next file", func() bool { return b.read("crl-bundle.pem") == string(next) })
}

// TestACAWithTwoCertificatesIsOne: somebody on the way made a second one of the
// first, which the root has signed as well.
func TestACAWithTwoCertificatesIsOne(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	o := b.origin
	o.chain = crlfiletest.PEM(o.issuing, o.issuing.Again(t, o.root), o.root)
	o.serve(o.lists(t, list{Number: 1}))
	must(t, b.once())
}

// TestItStopsBetweenCommands: systemd waits for one of them, and the reload stays owed.
func TestItStopsBetweenCommands(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	begun, loaded := filepath.Join(b.dir, "begun"), filepath.Join(b.dir, "loaded")
	b.options.Check = fmt.Sprintf("touch %s; sleep 0.5", begun)
	b.options.Reload = "touch " + loaded
	b.origin.serve(b.origin.lists(t, list{Number: 1}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	s := b.sync()
	go func() { done <- s.Run(ctx) }()
	until(t, "the check", func() bool { _, err := os.Stat(begun); return err == nil })
	cancel()
	must(t, <-done)
	if _, err := os.Stat(loaded); err == nil {
		t.Error("the reload began after it was told to stop")
	}
	if b.read(".crl-bundle.pem.reload-owed") == "" || strings.Contains(b.log.String(), "was not told") {
		t.Errorf("no reload is owed, or somebody is alarmed: %s", b.log)
	}
}
