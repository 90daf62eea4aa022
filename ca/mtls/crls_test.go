package mtls

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
)

// clock is a time that tests set.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return testStart().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// TestARevocationIsFollowedWithinASecond over the URL, and its release too.
func TestARevocationIsFollowedWithinASecond(t *testing.T) {
	f := newForger(t)
	cert := f.parsed(nil)
	server := newFeed(t, f.bundle(1))
	crls := &CRLs{CAs: f.cas, URL: server.URL, Now: testStart, Log: slog.New(slog.DiscardHandler)}
	follow(t, crls)
	v := &Verifier{CAs: f.cas, Revocation: crls, Now: testStart}
	code := func() Code {
		_, err := v.Check(context.Background(), []*x509.Certificate{cert})
		return codeOf(err)
	}
	if got := code(); got != "" {
		t.Fatalf("before: %s", got)
	}
	held := func(l *x509.RevocationList) {
		for i := range l.RevokedCertificateEntries {
			l.RevokedCertificateEntries[i].ReasonCode = 6
		}
	}
	for _, step := range []struct {
		bundle []byte
		want   Code
	}{
		{append(f.crl(f.issuing, 2, held, cert.SerialNumber), f.crl(f.root, 1, nil)...), CodeHeld},
		{f.bundle(3, big.NewInt(4711)), ""},
		{f.bundle(4, big.NewInt(4711), cert.SerialNumber), CodeRevoked},
		{append(f.crl(f.issuing, 5, nil), f.crl(f.root, 2, nil, f.issuing.cert.SerialNumber)...), CodeIssuerRevoked},
	} {
		waits := server.waited.Load()
		eventually(t, "waiting for a change", func() bool { return server.waited.Load() > 0 && server.waited.Load() >= waits })
		server.publish(step.bundle)
		if took := eventually(t, string(step.want), func() bool { return code() == step.want }); took > time.Second {
			t.Errorf("%q took %v, want less than a second", step.want, took)
		} else {
			t.Logf("%q after %v", step.want, took)
		}
	}
}

// TestABadServerChangesNothing: what was known stays, whatever the server does,
// and the next good bundle is taken.
func TestABadServerChangesNothing(t *testing.T) {
	f := newForger(t)
	cert := f.parsed(nil)
	mallory := newForger(t)
	write := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"bad"`)
			_, _ = w.Write(body)
		}
	}
	bad := map[string]http.HandlerFunc{
		"down":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"404":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"rubbish": write([]byte("<html>")), "empty": write(nil), "truncated": write(f.bundle(9)[:300]),
		"an older CRL": write(f.bundle(4)), "another hierarchy": write(mallory.bundle(9)),
		"cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write(f.bundle(9))
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for line := []byte(strings.Repeat("\n", 1<<16)); r.Context().Err() == nil; {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		},
		"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a drop a day": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("-"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	}
	for name, instead := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newFeed(t, f.bundle(5, cert.SerialNumber))
			crls := &CRLs{CAs: f.cas, URL: server.URL, Now: testStart}
			follow(t, crls)
			eventually(t, "waiting", func() bool { return server.waited.Load() > 0 })
			asked := server.asked.Load()
			server.become(nil, instead)
			if name != "slow" && name != "a drop a day" && name != "endless" {
				eventually(t, "asking again", func() bool { return server.asked.Load() > asked })
			}
			chain, err := f.cas.Verify([]*x509.Certificate{cert}, testStart())
			if err != nil {
				t.Fatal(err)
			}
			if err := crls.Status(context.Background(), chain); codeOf(err) != CodeRevoked {
				t.Errorf("meanwhile: got %v, want %s", err, CodeRevoked)
			}
			server.publish(f.bundle(6))
			server.CloseClientConnections() // what a restart does
			eventually(t, "after its recovery", func() bool { return crls.Status(context.Background(), chain) == nil })
		})
	}
}

// TestFailing says who is let in when nobody can tell.
func TestFailing(t *testing.T) {
	f := newForger(t)
	good, revoked := f.parsed(nil), f.parsed(nil)
	server := newFeed(t, f.bundle(1, revoked.SerialNumber))
	empty := &CRLs{CAs: f.cas, URL: server.URL, Now: testStart}
	at := &clock{}
	read := &CRLs{CAs: f.cas, URL: server.URL, Now: at.now}
	impatient := &CRLs{CAs: f.cas, URL: server.URL, Now: at.now, MaxSilence: time.Hour}
	for _, c := range []*CRLs{read, impatient} {
		if err := c.take(f.bundle(1, revoked.SerialNumber)); err != nil {
			t.Fatal(err)
		}
	}
	half := &CRLs{CAs: f.cas, Now: at.now}
	half.current.Store(&followed{lists: bundle{crlfile.ID(f.issuing.cert): read.current.Load().lists[crlfile.ID(f.issuing.cert)]}})
	tests := []struct {
		name   string
		source Revocation
		ahead  time.Duration
		cert   *x509.Certificate
		closed Code
		open   Code
	}{
		{"current", read, 0, good, "", ""},
		{"current, revoked", read, 0, revoked, CodeRevoked, CodeRevoked},
		{"no source", nil, 0, good, CodeUnavailable, ""},
		{"nothing read yet", empty, 0, good, CodeUnavailable, ""},
		{"one level's alone", half, 0, good, CodeUnavailable, ""},
		{"in its last second", read, 24*time.Hour - time.Second, good, "", ""},
		{"lapsed", read, 24 * time.Hour, good, CodeUnavailable, ""},
		{"lapsed, revoked", read, 24*time.Hour + time.Second, revoked, CodeRevoked, CodeRevoked},
		{"silent for an hour", impatient, time.Hour, good, "", ""},
		{"silent for longer", impatient, time.Hour + time.Second, good, CodeUnavailable, ""},
		{"silent for longer, revoked", impatient, time.Hour + time.Second, revoked, CodeRevoked, CodeRevoked},
	}
	for _, test := range tests {
		at.ahead.Store(int64(test.ahead))
		for mode, want := range map[Failure]Code{FailClosed: test.closed, FailOpen: test.open} {
			log := &strings.Builder{}
			v := &Verifier{CAs: f.cas, Revocation: test.source, OnUnknown: mode, Now: at.now, Log: slog.New(slog.NewTextHandler(log, nil))}
			for range 3 {
				_, err := v.Check(context.Background(), []*x509.Certificate{test.cert})
				if codeOf(err) != want || (err == nil) != (want == "") {
					t.Errorf("%s, mode %d: got %v, want %q", test.name, mode, err, want)
				}
			}
			wantWarnings := 0
			if mode == FailOpen && test.closed == CodeUnavailable {
				wantWarnings = 1
			}
			if got := strings.Count(log.String(), "status cannot be checked"); got != wantWarnings {
				t.Errorf("%s, mode %d: %d warnings, want %d", test.name, mode, got, wantWarnings)
			}
		}
	}
	if (&Verifier{}).OnUnknown != FailClosed {
		t.Error("a Verifier that was told nothing does not fail closed")
	}
}

// TestSilenceEndsWithAnAnswer: "nothing new" is news too.
func TestSilenceEndsWithAnAnswer(t *testing.T) {
	f := newForger(t)
	server := newFeed(t, f.bundle(1))
	at := &clock{}
	crls := &CRLs{CAs: f.cas, URL: server.URL, Now: at.now, MaxSilence: time.Minute}
	follow(t, crls)
	chain, err := f.cas.Verify([]*x509.Certificate{f.parsed(nil)}, at.now())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "waiting", func() bool { return server.waited.Load() > 0 })
	at.advance(2 * time.Minute)
	if err := crls.Status(context.Background(), chain); codeOf(err) != CodeUnavailable {
		t.Errorf("after two minutes of silence: got %v, want %s", err, CodeUnavailable)
	}
	server.become(nil, nil) // the wait is over: 304
	eventually(t, "an answer", func() bool { return crls.Status(context.Background(), chain) == nil })
}

// TestAServerThatDoesNotWaitIsNotOverrun: a file server answers at once.
func TestAServerThatDoesNotWaitIsNotOverrun(t *testing.T) {
	for _, header := range []http.Header{
		{}, {"Retry-After": {"7"}}, {"Retry-After": {"100000"}}, {"Retry-After": {"soon"}}, {"Preference-Applied": {"wait=60"}},
	} {
		got, want := pauseOf(header), pollEvery
		switch {
		case header.Get("Retry-After") == "7":
			want = 7 * time.Second
		case header.Get("Retry-After") == "100000":
			want = pollEvery // beyond what the header may say
		case header.Get("Preference-Applied") != "":
			want = 0
		}
		if got != want {
			t.Errorf("%v: a pause of %v, want %v", header, got, want)
		}
	}
	for failures := range 100 {
		if got := backoff(failures + 1); got < firstPause/2 || got > maxPause {
			t.Errorf("after %d failures: a pause of %v", failures+1, got)
		}
	}
}

func TestAFileIsFollowed(t *testing.T) {
	f := newForger(t)
	cert := f.parsed(nil)
	file := filepath.Join(t.TempDir(), "crl-bundle.pem")
	put := func(body []byte) { // as crl-sync does
		if err := os.WriteFile(file+".new", body, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	put(f.bundle(1))
	crls := &CRLs{CAs: f.cas, File: file, Now: testStart}
	follow(t, crls)
	chain, err := f.cas.Verify([]*x509.Certificate{cert}, testStart())
	if err != nil {
		t.Fatal(err)
	}
	code := func() Code { return codeOf(crls.Status(context.Background(), chain)) }
	put(f.bundle(2, cert.SerialNumber))
	if took := eventually(t, "revoked", func() bool { return code() == CodeRevoked }); took > time.Second {
		t.Errorf("a revocation in the file took %v", took)
	}
	for _, bad := range [][]byte{nil, []byte("rubbish"), f.bundle(3)[:200], f.bundle(1)} {
		put(bad)
		if _, err := crls.readIfChanged(nil); err == nil {
			t.Errorf("%.20q was taken", bad)
		}
		if got := code(); got != CodeRevoked {
			t.Errorf("with a bad file: %q", got)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := crls.readIfChanged(nil); err == nil {
		t.Error("a missing file is no error")
	}
	put(f.bundle(4))
	eventually(t, "released", func() bool { return code() == "" })
}

func TestCRLsThatCannotRun(t *testing.T) {
	f := newForger(t)
	for name, c := range map[string]*CRLs{
		"nothing": {}, "no CAs": {URL: "http://127.0.0.1/"}, "no source": {CAs: f.cas},
		"two sources": {CAs: f.cas, URL: "http://127.0.0.1/", File: "x"}, "negative": {CAs: f.cas, URL: "http://127.0.0.1/", MaxSilence: -1},
		"a file that may not be silent": {CAs: f.cas, File: "x", MaxSilence: time.Hour},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := c.Run(ctx); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: it runs", name)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := (&CRLs{CAs: f.cas, File: "x"}).Wait(ctx); err == nil {
		t.Error("waiting for nothing ends without an error")
	}
}
