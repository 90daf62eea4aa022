package main

import (
	"crypto/tls"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
)

// ocspServer is a server that asks by OCSP, as its page says.
type ocspServer struct {
	page    string
	replace func(*frontier) map[string]string
	start   func(f *frontier, config string) (reload string)
	longest time.Duration // that its configuration lets a connection of a revoked client go on
	resumes bool          // resumed sessions are checked too
	bounds  string        // what the lines that bound connections have in them
}

// ocspLifetime is how long an answer may be kept.
const ocspLifetime = 5 * time.Second

func ocspServers() map[string]ocspServer {
	without := func(paths func(*frontier) map[string]string) func(*frontier) map[string]string {
		return func(f *frontier) map[string]string {
			p := paths(f)
			delete(p, "/var/lib/postern-crl-sync/crl-bundle.pem")
			return p
		}
	}
	return map[string]ocspServer{
		"nginx":  {"nginx.md", without((*frontier).nginxPaths), (*frontier).nginx, ocspLifetime + 10*time.Second, true, "keepalive_"},
		"apache": {"apache.md", without((*frontier).apachePaths), (*frontier).apache, 10 * time.Second, false, "KeepAlive"},
	}
}

func newOCSPFrontier(t *testing.T) *frontier {
	return newFrontier(t, func(c *config.Config) {
		c.CA.OCSPLifetime = ocspLifetime
		c.Plain.URL = "http://" + c.Plain.Listen // no server here has a resolver that knows localhost
	})
}

// TestServersWithOCSP runs each server with its page's configuration.
func TestServersWithOCSP(t *testing.T) {
	t.Parallel()
	for name, server := range ocspServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOCSPFrontier(t)
			server.start(f, f.page(server.page, "ocsp", server.replace(f)))
			f.spoof("Client-Subject", "Client-Serial")
			f.examine(server.resumes)
		})
	}
}

// pace is how fast a busy client calls: slowly enough that Apache's own limit of 100
// requests does not end its connection early.
const pace = 400 * time.Millisecond

// TestABusyConnectionEndsAfterARevocation keeps a connection busy over a revocation,
// and another one idle.
func TestABusyConnectionEndsAfterARevocation(t *testing.T) {
	t.Parallel()
	for name, server := range ocspServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOCSPFrontier(t)
			server.start(f, f.page(server.page, "ocsp", server.replace(f)))
			busy, idle := f.visitor(&f.identity, tls.VersionTLS13, false), f.visitor(&f.identity, tls.VersionTLS12, false)
			f.reused(busy)
			f.reused(idle)
			f.status("revoke", "keyCompromise")
			revoked := time.Now()
			for _, c := range []struct {
				name string
				*visit
			}{{"a busy", busy}, {"an idle", idle}} { // idle until the busy one was refused
				f.awaitRefusal(c.visit)
				took := time.Since(revoked)
				t.Logf("%s connection was refused %v after the revocation", c.name, took.Round(time.Millisecond))
				if most := server.longest + 10*time.Second; took > most { // for a busy machine
					t.Errorf("%s connection was let in for %v after the revocation, want %v at most", c.name, took, server.longest)
				}
			}
		})
	}
}

// TestWithoutABoundABusyConnectionGoesOn takes the bound out of each configuration:
// then the connection outlives what the page promises.
func TestWithoutABoundABusyConnectionGoesOn(t *testing.T) {
	t.Parallel()
	for name, server := range ocspServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOCSPFrontier(t)
			page := f.page(server.page, "ocsp", server.replace(f))
			var config strings.Builder
			for line := range strings.Lines(page) {
				if !strings.Contains(line, server.bounds) {
					config.WriteString(line)
				}
			}
			if config.Len() == len(page) {
				t.Fatalf("the configuration has no line with %q", server.bounds)
			}
			server.start(f, config.String())
			busy := f.visitor(&f.identity, tls.VersionTLS13, false)
			f.reused(busy)
			f.status("revoke", "keyCompromise")
			for begin := time.Now(); time.Since(begin) < server.longest+2*time.Second; time.Sleep(pace) {
				if in, why := busy.call(t.Context(), nil); !in {
					t.Fatalf("refused after %v without the bound (%s): is it still needed?", time.Since(begin), why)
				}
			}
		})
	}
}

// reused calls twice, and fails the test if that took two connections.
func (f *frontier) reused(v *visit) {
	f.t.Helper()
	again := false
	ctx := httptrace.WithClientTrace(f.t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { again = c.Reused }})
	for range 2 {
		if in, why := v.call(ctx, nil); !in {
			f.t.Fatalf("a valid certificate was refused: %s", why)
		}
	}
	if !again {
		f.t.Fatal("the second request had a connection of its own")
	}
}

// awaitRefusal calls again and again until the client is refused.
func (f *frontier) awaitRefusal(v *visit) {
	f.t.Helper()
	for begin := time.Now(); ; time.Sleep(pace) {
		if in, _ := v.call(f.t.Context(), nil); !in {
			return
		}
		if time.Since(begin) > 2*time.Minute {
			f.t.Fatal("a revoked client was let in for two minutes")
		}
	}
}
